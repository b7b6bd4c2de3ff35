"""The types of entries in the table of metrics; the table itself is in `metrics`."""

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np

from espnet_plugin.results.cell_text import Writer

__all__ = [
    *("CONFIDENCE", "COST", "DEVICE", "DUAL", "FAMILY", "QUALITY", "TIME"),
    *("Axis", "Column", "FileValue", "Metric"),
    *("PooledInterval", "mean_if_all_known", "sum_if_known"),
]

# The tables that columns can be in.
QUALITY, COST, FAMILY, DUAL = "quality", "cost", "family", "dual"
CONFIDENCE, DEVICE = "confidence", "device"
# Unit of columns of times: minutes or hours, chosen for the whole table.
TIME = "time"


def mean(values: Sequence[float]) -> float:
    """Return the mean of the known values."""
    return float(np.mean(values))


def sum_if_known(values: Sequence[Optional[float]]) -> Optional[float]:
    """Return the sum, or None if any value is unknown."""
    return None if any(value is None for value in values) else float(sum(values))


def mean_if_all_known(values: Sequence[Optional[float]]) -> Optional[float]:
    """Return the mean, or None if any value is unknown."""
    total = sum_if_known(values)
    return None if total is None else total / len(values)


@dataclass(frozen=True)
class FileValue:
    """A figure in a file of an experiment folder that is not a field of `Row`.

    Attributes:
        file: ``rtf``, ``cost`` or ``confidence``, for rtf.json, cost.json and
            confidence.json. Rows of models without confidence.json do not have its
            keys.
        key: Key in the file.
    """

    file: str
    key: str


@dataclass(frozen=True)
class PooledInterval:
    """The 95 % interval of a metric's mean over seeds, from fields of `Quality`.

    Attributes:
        name: Field with the interval of one seed, and key in the aggregates.
        errors: Field with the errors by unit, which are averaged over seeds.
        lengths: Field with the words or characters by unit.
    """

    name: str
    errors: str
    lengths: str


@dataclass(frozen=True)
class Column:
    """Where and how a metric is shown.

    Attributes:
        tables: Name of the table, or several names joined by ``+``.
        header: Name of the column; ``{time}`` is replaced by the table's unit of time.
        write: Function that writes a cell.
        unit: Number by which values are divided, or `TIME`.
        optional: Whether the column is left out if it has no value.
        note: Explanation of the column, printed below the table. ``{cache}`` is
            replaced by a note on the teacher cache.
    """

    tables: str
    header: str
    write: Writer
    unit: Union[float, str] = 1.0
    optional: bool = False
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """Properties of a metric as an axis of the interactive chart.

    Attributes:
        label: Name with the unit; ``{time}`` is replaced by the unit of time, and
            ``{operations}`` by a unit of operations in which the values can be read.
        of: Function that returns the value of a group. By default it is the mean over
            seeds or, for a cost, the whole cost.
        less_is_better: Whether lower values are better; only then a Pareto front is
        drawn.
    """

    label: str
    of: Optional[Callable[[Any], Optional[float]]] = None
    less_is_better: bool = True


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Unique name, with which its keys in the aggregates begin.
        source: Dotted path of a field of `Row` (for a cost also of `SharedRun`), a
            `FileValue`, or ``export.`` and a field of `ExportedFile`. The last are only
            in the table `DEVICE`.
        columns: Columns in which it is shown.
        average: Function that averages the known values of several seeds.
        is_cost: Whether it is a cost of making a model. Costs are summed with those of
            shared runs and over families, are in ``own_cost_mean`` and
            ``whole_cost_mean`` of the aggregates, and are unknown if any part is
            unknown.
        aggregated: Whether it is in the aggregates.
        ranged: Whether the aggregates also have its lowest and highest value.
        intervals: Its intervals, which are also in the aggregates.
        axis: Its name as an axis; None: the header of its first column.
    """

    name: str
    source: Union[str, FileValue]
    columns: tuple[Column, ...] = ()
    average: Callable[[Sequence[float]], float] = mean
    is_cost: bool = False
    aggregated: bool = True
    ranged: bool = False
    intervals: tuple[PooledInterval, ...] = ()
    axis: Optional[Axis] = None

    def of(self, entry: Any) -> Optional[float]:
        """Return the value for a row or a shared run; None if it is not known."""
        if isinstance(self.source, FileValue):
            return entry.more.get(self.name)
        for name in self.source.split("."):
            # A part may be None, e.g. for models with one mode.
            entry = getattr(entry, name, None)
        return entry
