"""Turn an option that is a mapping (e.g. from YAML) into a typed value."""

import inspect
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import (
    Any,
    Callable,
    Literal,
    Optional,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from espnet_plugin.errors import UserError
from espnet_plugin.suggest import did_you_mean

__all__ = ["MOST_SEED", "read_options"]

# The largest seed that NumPy takes.
MOST_SEED = 2**32 - 1

T = TypeVar("T")

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    Mapping: "a mapping",
    Sequence: "a list",
}


def read_options(
    kind: Callable[..., T],
    given: Optional[Mapping[str, Any]],
    option: str,
    **fixed: Any,
) -> T:
    """Build a typed value from an option that is a mapping.

    Args:
        kind: A data class, or another class with annotated parameters. ``Literal``
            lists allowed values. For a value out of range, it raises a ``UserError``
            that begins with the name of the parameter.
        given: Value of the option; None counts as an empty mapping.
        option: Name of the option, for messages.
        fixed: Arguments of ``kind`` that the option cannot set.

    Raises:
        UserError: If the option is not a mapping, a key is unknown or missing, or a
            value has the wrong type or is out of range. The message names option, key,
            value and the allowed values.
    """
    types = {n: t for n, t in _parameters(kind).items() if n not in fixed}
    if not isinstance(given, (Mapping, type(None))):
        raise UserError(f"{option} {given!r}: must be a mapping, {_choices(types)}")
    given = dict(given or {})
    for key, value in given.items():
        if key not in types:
            raise UserError(
                f"{option}.{key} {value!r}: there is no such option; {_choices(types)}"
                f"{did_you_mean(str(key), types)}"
            )
        wanted, _ = types[key]
        if not _fits(value, wanted):
            raise UserError(
                f"{option}.{key} {value!r}: must be {_words(wanted)}{_hint(value)}"
                f"{_nearest(value, wanted)}"
            )
    missing = [n for n, (_, needed) in types.items() if needed and n not in given]
    if missing:
        raise UserError(f"{option}: {', '.join(missing)} must be given")
    try:
        return kind(**fixed, **given)
    except UserError as error:
        raise UserError(f"{option}.{error}") from error


def _parameters(kind: Callable[..., Any]) -> dict[str, tuple[Any, bool]]:
    """Return for each parameter its type and whether it is required.

    If a class takes ``**others``, the parameters of its base class are included.
    """
    found: dict[str, tuple[Any, bool]] = {}
    for base in inspect.getmro(kind) if inspect.isclass(kind) else (kind,):
        init = vars(base).get("__init__") if inspect.isclass(base) else base
        if init is None:
            continue
        hints = get_type_hints(init)
        signature = inspect.signature(init)
        passed_on = False
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                passed_on = True
            elif parameter.kind is not parameter.VAR_POSITIONAL and name != "self":
                needed = parameter.default is parameter.empty
                found.setdefault(name, (hints.get(name, Any), needed))
        if not passed_on:
            break
    return found


def _fits(value: Any, wanted: Any) -> bool:
    origin, inner = get_origin(wanted) or wanted, get_args(wanted)
    if origin is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if isinstance(value, bool):
        return origin is bool
    if origin is float:
        return isinstance(value, (int, float))
    if origin in (tuple, list, Sequence):
        item = inner[0] if inner else Any
        listed = isinstance(value, (list, tuple))
        return listed and all(_fits(one, item) for one in value)
    return isinstance(value, origin)


def _words(wanted: Any) -> str:
    origin, inner = get_origin(wanted) or wanted, get_args(wanted)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in inner)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (tuple, list, Sequence) and inner:
        return f"a list of items that are {_words(inner[0])}"
    return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))


def _hint(value: Any) -> str:
    """Return advice for a number without a point (1e-3), which YAML reads as text."""
    if not isinstance(value, str) or "e" not in value.lower():
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    return "" if "." in value else f"; YAML reads {value} as text, write {number:.1e}"


def _nearest(value: Any, wanted: Any) -> str:
    if get_origin(wanted) is not Literal:
        return ""
    return did_you_mean(str(value), [str(one) for one in get_args(wanted)])


def _choices(types: Mapping[str, Any]) -> str:
    return f"choose from {', '.join(types)}" if types else "it has no options"
