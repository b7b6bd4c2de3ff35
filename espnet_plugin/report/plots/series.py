"""Which points of a picture belong together: the sizes, or the amounts, of a method."""

import re
from dataclasses import dataclass
from typing import Iterable, Optional

from espnet_plugin.results.group import Group

__all__ = ["Series", "series_key", "series_of", "style_key", "without_mode"]

# What is pruned says how much at the end: "one-shot 7.5 %"; nothing else, in some.
_AMOUNT = re.compile(r"(?:(?P<rest>.*\S) )?(?P<amount>[\d.]+) %")


@dataclass(frozen=True)
class Series:
    """Groups of one method, variant and mode that differ in size, or in a percentage.

    Attributes:
        method: Method of all of them.
        variant: Variant of all of them, without the mode and the percentage.
        groups: Largest first.
    """

    method: str
    variant: str
    groups: tuple[Group, ...]

    @property
    def key(self) -> tuple[str, str]:
        """By which styles are chosen, see `style_key`."""
        return style_key(self.method, self.variant, self.groups[0].mode)

    @property
    def is_family(self) -> bool:
        """Whether there are several."""
        return len(self.groups) > 1

    @property
    def name(self) -> str:
        """What a legend calls it, with the sizes or amounts."""
        name = f"{self.method} {self.variant}".strip()
        # As in the tables, which say what it means.
        mark = next((g.retained.mark for g in self.groups if g.retained.names), "")
        if any(_amount(group) for group in self.groups):
            amounts = ", ".join(_amount(group) for group in self.groups)
            return f"{name} ({amounts} %){mark}"
        whole = all(group.size != group.layers for group in self.groups)
        sizes = ", ".join(str(group.shape) for group in self.groups)
        return f"{name} ({'as ' if whole else ''}{sizes} layers){mark}"

    @property
    def scored(self) -> str:
        """Over how many seeds its means are."""
        counts = sorted({len(group.scored) for group in self.groups})
        text = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        return f"{text} seed{'s' if text != '1' else ''}"

    def mark(self, group: Group) -> str:
        """The text next to the point of one of the groups."""
        amount = _amount(group)
        return f"{amount} %" if amount else str(group.shape)


def series_of(groups: Iterable[Group]) -> list[Series]:
    """Collect the series, in the order in which their first groups come."""
    found: dict[tuple[str, str, Optional[str]], list[Group]] = {}
    for group in groups:
        variant = _without_amount(without_mode(group.variant, group.mode))
        found.setdefault((group.method, variant, group.mode), []).append(group)
    return [
        Series(method, variant, tuple(sorted(members, key=_largest_first)))
        for (method, variant, _), members in found.items()
    ]


def style_key(method: str, variant: str, mode: Optional[str]) -> tuple[str, str]:
    """Return the method and variant by which a style is chosen.

    Both modes of a training have the same. Such trainings differ in little else than
    the variant: each is told apart as a method is.
    """
    if mode is None:
        return method, variant
    return f"{method} {without_mode(variant, mode)}".strip(), ""


def series_key(method: str, variant: str, mode: Optional[str]) -> tuple[str, str]:
    """Return the key of the series that a model is in: its style, all amounts alike."""
    return style_key(method, _without_amount(without_mode(variant, mode)), mode)


def without_mode(variant: str, mode: Optional[str]) -> str:
    """Return what both modes of a training are called: tables have the mode last."""
    return variant.removesuffix(mode or "").strip()


def _without_amount(variant: str) -> str:
    match = _AMOUNT.fullmatch(variant)
    return (match["rest"] or "") if match else variant


def _amount(group: Group) -> str:
    match = _AMOUNT.fullmatch(without_mode(group.variant, group.mode))
    return match["amount"] if match else ""


def _largest_first(group: Group) -> tuple[float, ...]:
    return *group.shape.order, float(_amount(group) or 0)
