"""Which points of a picture belong together: the sizes, or the amounts, of a method."""

import re
from dataclasses import dataclass
from typing import Iterable

from espnet_plugin.evaluate.aggregate import Group

__all__ = ["Series", "series_of"]

# What is pruned at once says how much at the end: "one-shot 7.5 %".
_AMOUNT = re.compile(r"(?P<rest>.*\S) (?P<amount>[\d.]+) %")


@dataclass(frozen=True)
class Series:
    """Groups of one method and variant that differ in size, or in a percentage.

    Attributes:
        method: Of all of them.
        variant: Of all of them, without the percentage.
        groups: Largest first.
    """

    method: str
    variant: str
    groups: tuple[Group, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Method and variant, by which styles are chosen."""
        return self.method, self.variant

    @property
    def is_family(self) -> bool:
        """Whether there are several."""
        return len(self.groups) > 1

    @property
    def name(self) -> str:
        """What a legend calls it, with the sizes or amounts."""
        name = f"{self.method} {self.variant}".strip()
        # As in the tables, which say what it means.
        kept = next((g.kept.mark for g in self.groups if g.kept.names), "")
        if any(_amount(group) for group in self.groups):
            amounts = ", ".join(_amount(group) for group in self.groups)
            return f"{name} ({amounts} %){kept}"
        whole = all(group.size != group.layers for group in self.groups)
        sizes = ", ".join(str(group.size or "?") for group in self.groups)
        return f"{name} ({'as ' if whole else ''}{sizes} layers){kept}"

    def mark(self, group: Group) -> str:
        """What stands beside the point of one of the groups."""
        amount = _amount(group)
        return f"{amount} %" if amount else str(group.size or "?")


def series_of(groups: Iterable[Group]) -> list[Series]:
    """Collect the series, in the order in which their first groups come."""
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        match = _AMOUNT.fullmatch(group.variant)
        variant = match["rest"] if match else group.variant
        found.setdefault((group.method, variant), []).append(group)
    return [
        Series(*key, tuple(sorted(members, key=_largest_first)))
        for key, members in found.items()
    ]


def _amount(group: Group) -> str:
    match = _AMOUNT.fullmatch(group.variant)
    return match["amount"] if match else ""


def _largest_first(group: Group) -> tuple[int, float]:
    return -group.size, float(_amount(group) or 0)
