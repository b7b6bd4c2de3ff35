"""What a result was made of, as names and plain values, and how two of them differ.

Every stage that keeps results notes this beside them, and compares it when it is asked
for them again. Data and files are identified by their content, so a table or a folder
may move; what does not decide the result (how many processes, which device, where it is
written) is left out.
"""

from typing import Any, Mapping, NamedTuple, Optional

__all__ = ["KIND", "Difference", "first_difference", "flat"]

# The name under which a record says what kind of result it is of.
KIND = "kind"
_LONGEST = 60


class Difference(NamedTuple):
    """The first input of a result that is another one now.

    Attributes:
        name: Which.
        old: What the result was made of; None if nothing was given.
        new: What it would be made of now; None if nothing is given.
        others: Number of further inputs that differ.
    """

    name: str
    old: Any
    new: Any
    others: int

    def __str__(self) -> str:
        more = f", and {self.others} more" if self.others else ""
        return f"{self.name} (was {_short(self.old)}, is {_short(self.new)}){more}"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one with dotted names: ``optim_conf.lr``.

    None and empty mappings are left out: they say that nothing is given.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            result.update(flat(value, f"{prefix}{name}."))
        elif value is not None:
            result[f"{prefix}{name}"] = value
    return result


def first_difference(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Optional[Difference]:
    """Return the first input that differs, in the order of ``new``; None if none does.

    Args:
        old: What a result was made of, by name; see :func:`flat`.
        new: What it would be made of now.
    """
    names = [*new, *(name for name in old if name not in new)]
    differing = [name for name in names if old.get(name) != new.get(name)]
    if not differing:
        return None
    name = differing[0]
    # Of another kind all the rest is another, too.
    others = 0 if name == KIND else len(differing) - 1
    return Difference(name, old.get(name), new.get(name), others)


def _short(value: Any) -> str:
    if value is None:
        return "not given"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
