"""Format values for the cells of a table.

The functions that return a `Writer` are what the columns of `metrics` are made of.
"""

import math
from typing import Any, Callable, Optional

from espnet_plugin.results.row import Interval

__all__ = [
    *("NONE", "NOT_KNOWN", "NumberWriter", "Writer", "figure", "fixed", "interval"),
    *("known", "marked_if_pruned", "only_interval", "paid", "paid_with_teacher"),
    *("percent", "rate", "rtf", "rtf_and_load", "seeds_and_range", "shared_part"),
    *("significant", "with_interval"),
]

NOT_KNOWN = "?"
NONE = "-"
PRUNED_MARK = "†"

NumberWriter = Callable[[Optional[float]], str]
# Takes a group (or a family), a metric's name and the unit of the column.
Writer = Callable[[Any, str, float], str]


def fixed(digits: int) -> NumberWriter:
    """Return a writer with this number of decimals."""
    return lambda value: NOT_KNOWN if value is None else f"{value:.{digits}f}"


def significant(value: Optional[float]) -> str:
    """Write two or three significant digits, without an exponent if possible."""
    if value is None:
        return NOT_KNOWN
    if value == 0 or value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    if value >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.{2 - math.floor(math.log10(value))}f}"


def rtf(value: Optional[float]) -> str:
    """Write a real-time factor."""
    return NOT_KNOWN if value is None else f"{value:.3g}"


def percent(value: Optional[float]) -> str:
    """Write a share in percent; a dash for zero or unknown."""
    return f"{100 * value:.0f} %" if value else NONE


def known(write: NumberWriter) -> NumberWriter:
    """Write a dash, not a question mark, for what most models do not have."""
    return lambda value: NONE if value is None else write(value)


def interval(ends: Interval) -> str:
    """Write an interval, with one digit after the point."""
    return f"[{ends[0]:.1f}, {ends[1]:.1f}]"


def with_interval(value: Optional[float], ends: Optional[Interval]) -> str:
    """Write an error rate in percent and its interval, if known."""
    return fixed(1)(value) + (f" {interval(ends)}" if ends else "")


def figure(write: NumberWriter) -> Writer:
    """Return a writer of the metric's mean over seeds."""
    return lambda group, name, unit: write(_divide(group.mean(name), unit))


def marked_if_pruned(write: NumberWriter) -> Writer:
    """Return a writer that adds a mark if weights were set to zero."""

    def cell(group: Any, name: str, unit: float) -> str:
        mark = f" {PRUNED_MARK}" if group.is_pruned else ""
        return figure(write)(group, name, unit) + mark

    return cell


def rate(interval_name: str) -> Writer:
    """Return a writer of an error rate with its interval."""
    return lambda group, name, _: with_interval(
        group.mean(name), group.intervals[interval_name]
    )


def only_interval(interval_name: str) -> Writer:
    """Return a writer of an interval without the metric's value."""

    def cell(group: Any, name: str, unit: float) -> str:
        ends = group.intervals[interval_name]
        return interval(ends) if ends else NOT_KNOWN

    return cell


def seeds_and_range(group: Any, name: str, _: float) -> str:
    """Write the number of seeds, how many have the metric, and its range."""
    count, known_of = len(group.rows), len(group.values(name))
    text = str(count) if known_of == count else f"{known_of} of {count}"
    if known_of > 1:
        low, high = group.range(name)
        text += f" ({low:.1f} to {high:.1f})"
    return text


def rtf_and_load(load_name: str) -> Writer:
    """Return a writer of a real-time factor with the machine's load, if known."""

    def cell(group: Any, name: str, _: float) -> str:
        value, load = group.mean(name), group.mean(load_name)
        return rtf(value) + ("" if None in (value, load) else f" ({load:.1f})")

    return cell


def paid(one: Any, name: str, unit: float) -> str:
    """Write a cost, as ``own + shared = whole`` if there is a shared run."""
    return _paid(one, one.own[name], one.shared[name], unit)


def paid_with_teacher(one: Any, _: str, unit: float) -> str:
    """Write operations, with the teacher's share in brackets."""
    text, whole = _paid(one, one.own.flops, one.shared.flops, unit), one.whole
    if whole.flops:
        text += f" ({100.0 * whole['teacher_flops'] / whole.flops:.0f} %)"
    return text


def shared_part(one: Any, name: str, unit: float) -> str:
    """Write the cost of the shared run only."""
    return significant(_divide(one.shared[name], unit))


def _paid(one: Any, own: Optional[float], shared: Optional[float], unit: float) -> str:
    own_text = significant(_divide(own, unit))
    if not one.has_shared:
        return own_text
    whole = None if None in (own, shared) else (own + shared) / unit
    return f"{own_text} + {significant(_divide(shared, unit))} = {significant(whole)}"


def _divide(value: Optional[float], unit: float) -> Optional[float]:
    return None if value is None else value / unit
