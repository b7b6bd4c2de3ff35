"""Group the points of a picture into series: the sizes, or amounts, of a method."""

import re
from dataclasses import dataclass
from typing import Iterable, Optional

from espnet_plugin.results.group import Group

__all__ = ["Series", "series_key", "series_of", "style_key", "without_mode"]

# Names of pruned variants end with the amount, as in "one-shot 7.5 %"; some names are
# the amount alone.
_AMOUNT = re.compile(r"(?:(?P<rest>.*\S) )?(?P<amount>[\d.]+) %")


@dataclass(frozen=True)
class Series:
    """Groups of one method, variant and mode that differ in size, or in a percentage.

    Attributes:
        method: Method of all groups.
        variant: Variant of all groups, without the mode and the percentage.
        groups: The groups, largest first.
    """

    method: str
    variant: str
    groups: tuple[Group, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Key by which its style is chosen, see `style_key`."""
        return style_key(self.method, self.variant, self.groups[0].mode)

    @property
    def is_family(self) -> bool:
        """Whether it has several groups."""
        return len(self.groups) > 1

    @property
    def name(self) -> str:
        """Name in the legend, with the sizes or amounts."""
        name = f"{self.method} {self.variant}".strip()
        # The same mark as in the tables, whose notes explain it.
        mark = next((g.retained.mark for g in self.groups if g.retained.names), "")
        if any(_amount(group) for group in self.groups):
            amounts = ", ".join(_amount(group) for group in self.groups)
            return f"{name} ({amounts} %){mark}"
        whole = all(group.size != group.layers for group in self.groups)
        sizes = ", ".join(str(group.shape) for group in self.groups)
        return f"{name} ({'as ' if whole else ''}{sizes} layers){mark}"

    @property
    def scored(self) -> str:
        """Number of seeds of its means, in words."""
        counts = sorted({len(group.scored) for group in self.groups})
        text = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        return f"{text} seed{'s' if text != '1' else ''}"

    def mark(self, group: Group) -> str:
        """Return the text next to the point of one of the groups."""
        amount = _amount(group)
        return f"{amount} %" if amount else str(group.shape)


def series_of(groups: Iterable[Group]) -> list[Series]:
    """Collect the series, in the order of their first groups."""
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

    Both modes of a training have the same style. Such trainings mostly differ only in
    the variant, so each one gets a style like a method of its own.
    """
    if mode is None:
        return method, variant
    return f"{method} {without_mode(variant, mode)}".strip(), ""


def series_key(method: str, variant: str, mode: Optional[str]) -> tuple[str, str]:
    """Return the key of a model's series: its style key without the amount."""
    return style_key(method, _without_amount(without_mode(variant, mode)), mode)


def without_mode(variant: str, mode: Optional[str]) -> str:
    """Return a variant's name without the mode, which is last in the tables."""
    return variant.removesuffix(mode or "").strip()


def _without_amount(variant: str) -> str:
    match = _AMOUNT.fullmatch(variant)
    return (match["rest"] or "") if match else variant


def _amount(group: Group) -> str:
    match = _AMOUNT.fullmatch(without_mode(group.variant, group.mode))
    return match["amount"] if match else ""


def _largest_first(group: Group) -> tuple[float, ...]:
    return *group.shape.order, float(_amount(group) or 0)
