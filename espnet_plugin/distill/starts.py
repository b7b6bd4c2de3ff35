"""Initial weights of a student; without torch, for options of recipes."""

from typing import Any, Mapping

__all__ = ["INITS", "LAYERS", "STARTS", "own_kind", "start_of"]

# Random weights, or the layers of the reference that are copied.
LAYERS = ("first", "last", "spaced")
INITS = ("random", *LAYERS)

# auto is the default, decided by :func:`start_of`; for a model with a width of its own:
# first if the layers can be cut, else random.
STARTS = ("auto", *INITS)

# Options with which a student is more than a shallower reference.
_OWN = (
    *("student_encoder", "student_frontend"),
    *("student_output_size", "student_linear_units"),
)


def own_kind(options: Mapping[str, Any]) -> str:
    """Return the first option that makes layers of the reference unfit for a student.

    Args:
        options: Options of the EncRL task by name (``student_encoder``...). In
            ``student_encoder_conf``, another input layer and dropout do not matter:
            the layers after it can be copied all the same.

    Returns:
        The name of the option, with the key for ``student_encoder_conf``; empty if
        there is none.
    """
    for name in _OWN:
        if options.get(name) is not None:
            return name
    for key in options.get("student_encoder_conf") or {}:
        if key != "input_layer" and not key.endswith("dropout_rate"):
            return f"student_encoder_conf {key}"
    return ""


def start_of(init: str, options: Mapping[str, Any]) -> str:
    """Return the initial weights that ``auto`` stands for, or ``init`` itself.

    ``spaced`` if the student is a shallower reference, otherwise ``random``. On AN4 a
    student of six layers has half as many errors from copied layers as from random
    weights (7.2 and 14.0 %, one seed, the copied subsampling frozen:
    egs2/an4/encrl1/earlier/ABLATIONS.md).

    Args:
        init: One of ``STARTS``.
        options: See :func:`own_kind`.
    """
    if init != "auto":
        return init
    return "random" if own_kind(options) else "spaced"
