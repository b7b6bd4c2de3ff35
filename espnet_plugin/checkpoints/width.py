"""The options of an encoder with a different width."""

from inspect import signature
from typing import Any, Collection, Mapping, Optional

from espnet2.tasks.asr import encoder_choices

__all__ = ["with_width"]

# Options that are a multiple of the width, and what they have to be a multiple of:
# the gating of a cgMLP halves its units.
_IN_PROPORTION = {"linear_units": 1, "cgmlp_linear_units": 2}
_WIDTH = "output_size"


def with_width(
    encoder: str,
    conf: Mapping[str, Any],
    width: int,
    base: Optional[int] = None,
    fixed: Collection[str] = (),
) -> dict[str, Any]:
    """Return the options of an encoder with a different width.

    Feed-forward units are scaled in proportion.

    Args:
        encoder: Name of the encoder in ESPnet.
        conf: Options of the encoder, ``encoder_conf``.
        width: New ``output_size``.
        base: Width to which the units of ``conf`` belong; None: that of ``conf``, or
            the encoder's default.
        fixed: Options that do not change.
    """
    known = signature(encoder_choices.get_class(encoder)).parameters
    if base is None:
        base = conf.get(_WIDTH, known[_WIDTH].default)
    scaled = {}
    for name, step in _IN_PROPORTION.items():
        if name in known and name not in fixed:
            units = conf.get(name, known[name].default) * width // base
            scaled[name] = max(1, units // step) * step
    return {**conf, **scaled, _WIDTH: width}
