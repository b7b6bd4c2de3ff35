"""Compare the inputs of a result, as names and plain values.

Every stage that keeps results records their inputs next to them, and compares these
when the same results are requested again. Data and files are identified by their
content, so a table or a folder may be moved. Files that say the same are equal; see
:mod:`espnet_plugin.experiment.meaning`. Inputs that do not affect the result
(number of processes, device, output folder) are not recorded.
"""

from typing import Any, Mapping, NamedTuple, Optional

from espnet_plugin.experiment.meaning import same

__all__ = ["KIND", "Difference", "first_difference", "flat"]

# Name of the input that is the kind of the result.
KIND = "kind"
_LONGEST = 60


class Difference(NamedTuple):
    """The first input of a result that has changed.

    Attributes:
        name: Name of the input.
        old: Its value when the result was made; None if it was not given.
        new: Its value now; None if it is not given.
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
    """Flatten nested mappings to one with dotted names: ``optim_conf.lr``.

    None and empty mappings are left out, because they mean "not given".
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
        old: Inputs with which a result was made, by name; see :func:`flat`.
        new: Inputs with which it would be made now.
    """
    names = [*new, *(name for name in old if name not in new)]
    differing = [name for name in names if not same(old.get(name), new.get(name))]
    if not differing:
        return None
    name = differing[0]
    # If the kind differs, all other inputs differ too.
    others = 0 if name == KIND else len(differing) - 1
    return Difference(name, old.get(name), new.get(name), others)


def _short(value: Any) -> str:
    if value is None:
        return "not given"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
