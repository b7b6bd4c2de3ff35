"""The axes that a reader can choose in the page's chart, from the table of metrics."""

from dataclasses import dataclass
from typing import Optional, Sequence

from espnet_plugin.report.caution import SPEEDS, busy_caution
from espnet_plugin.report.table import time_unit
from espnet_plugin.report.units import OPERATIONS, fitting_unit
from espnet_plugin.results import metrics
from espnet_plugin.results.group import Group
from espnet_plugin.results.metric import (
    CONFIDENCE,
    COST,
    DUAL,
    QUALITY,
    TIME,
    Column,
    Metric,
)
from espnet_plugin.results.row import Interval

__all__ = ["Across", "Upwards", "axes_across", "axes_upwards", "group_columns"]

# Tables whose columns describe models; other tables describe families and files.
_TABLES = (QUALITY, COST, DUAL, CONFIDENCE)


@dataclass(frozen=True)
class Across:
    """A metric that can be the horizontal axis.

    Attributes:
        name: The metric's name.
        label: Name of the axis, with the unit.
        values: Value of each group in that unit; None if not known.
        less_is_better: Whether a lower value is better, so a Pareto front is drawn.
        caution: What a reader has to know about these values; may be empty.
    """

    name: str
    label: str
    values: tuple[Optional[float], ...]
    less_is_better: bool
    caution: str = ""


@dataclass(frozen=True)
class Upwards:
    """An error rate with its 95 % interval, in percent.

    Attributes:
        name: The metric's name.
        label: Name of the axis.
        values: Rate of each group; None if not known.
        intervals: Interval of each group; None if not known.
    """

    name: str
    label: str
    values: tuple[Optional[float], ...]
    intervals: tuple[Optional[Interval], ...]


def group_columns(with_mode: bool) -> list[tuple[Metric, Column]]:
    """Return the columns that describe one model, each metric once.

    Args:
        with_mode: Whether there are models with two modes.
    """
    found: list[tuple[Metric, Column]] = []
    for table in _TABLES:
        if table != DUAL or with_mode:
            earlier = {metric.name for metric, _ in found}
            found += [
                (metric, column)
                for metric, column in metrics.columns_of(table)
                if metric.name not in earlier
            ]
    return found


def axes_across(groups: Sequence[Group]) -> list[Across]:
    """Return all metrics that have a figure above zero, except the error rates."""
    unit_name, seconds = time_unit(groups)
    found: dict[str, Across] = {}
    for metric, column in group_columns(any(group.mode for group in groups)):
        if metric.intervals or metric.name in found:
            continue
        figures = [_figure(group, metric) for group in groups]
        unit = seconds if column.unit == TIME else float(column.unit)
        axis = metric.axis
        label = (axis.label if axis else column.header).replace("{time}", unit_name)
        if "{operations}" in label:
            fitting = fitting_unit(figures, OPERATIONS)
            label, unit = label.replace("{operations}", fitting.name), fitting.size
        values = tuple(None if value is None else value / unit for value in figures)
        if any(values):
            better = axis is None or axis.less_is_better
            caution = busy_caution(groups) if metric.name in SPEEDS else ""
            caution = caution.replace("`", "")
            found[metric.name] = Across(metric.name, label, values, better, caution)
    return list(found.values())


def axes_upwards(groups: Sequence[Group], set_name: str) -> list[Upwards]:
    """Return the error rates (all metrics with an interval), the main one first.

    Args:
        groups: Groups with a score.
        set_name: Name of the scored set.
    """
    found = []
    for metric, column in group_columns(False):
        if not metric.intervals or metric.name in {one.name for one in found}:
            continue
        if set_name == "dev" and metric.name == "dev_wer":
            continue  # it would repeat another axis
        interval = metric.intervals[0].name
        label = column.header.replace("test", set_name).replace(" % [95 %]", " (%)")
        values = tuple(group.mean(metric.name) for group in groups)
        if any(value is not None for value in values):
            ends = tuple(group.intervals[interval] for group in groups)
            found.append(Upwards(metric.name, label, values, ends))
    first = "test_cer" if all(group.by_character for group in groups) else "test_wer"
    return sorted(found, key=lambda one: one.name != first)


def _figure(group: Group, metric: Metric) -> Optional[float]:
    if metric.axis and metric.axis.of:
        return metric.axis.of(group)
    return group.whole[metric.name] if metric.is_cost else group.mean(metric.name)
