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
# The unit of a column of times: minutes or hours, whichever suits the whole table.
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
    """A figure of an experiment folder's file that no field of `Row` holds.

    Attributes:
        file: ``rtf``, ``cost`` or ``confidence``: which of rtf.json, cost.json and
            confidence.json. Few models have the last: their rows alone have its keys.
        key: Its key there.
    """

    file: str
    key: str


@dataclass(frozen=True)
class PooledInterval:
    """A 95 % interval of a metric's mean over seeds, from fields of `Quality`.

    Attributes:
        name: Field with the interval of one seed, and key in the aggregates.
        errors: Field with the errors by unit, which are pooled over several seeds.
        lengths: Field with the words or characters by unit.
    """

    name: str
    errors: str
    lengths: str


@dataclass(frozen=True)
class Column:
    """Where and how a metric is shown.

    Attributes:
        tables: One table, or several joined by ``+``.
        header: Name of the column; ``{time}`` stands for the unit of a table's times.
        write: Writes the cell.
        unit: What figures are divided by, or `TIME`.
        optional: Whether the column is left out where nothing is known for it.
        note: Explanation of the column, printed below the table. ``{cache}``
            stands for what is known of the teacher's cache.
    """

    tables: str
    header: str
    write: Writer
    unit: Union[float, str] = 1.0
    optional: bool = False
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """How a metric is called where a reader chooses it as the axis of a picture.

    Attributes:
        label: Plain name with the unit; ``{time}`` stands for the unit of times.
        of: The figure of a group, where it is not the metric's mean over seeds (of a
            cost: the whole cost).
        less_is_better: Whether a model with less of it is the better one: only then is
            there a Pareto front.
    """

    label: str
    of: Optional[Callable[[Any], Optional[float]]] = None
    less_is_better: bool = True


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Unique; the beginning of its keys in the aggregates.
        source: Dotted path of a field of `Row` (of a cost: of `SharedRun` too), a
            `FileValue`, or ``export.`` and a field of `ExportedFile`: such a metric is
            of a file of an export, and stands in the table `DEVICE` alone.
        columns: Where it is shown.
        average: What becomes of the known figures of several seeds.
        is_cost: Whether it is paid for making a model: it is then added up with that of
            shared runs and over families, is in the aggregates within
            ``own_cost_mean`` and ``whole_cost_mean``, and is not known as soon as a
            part of it is not.
        aggregated: Whether the aggregates hold it.
        ranged: Whether the aggregates hold its lowest and highest seed, too.
        intervals: Its intervals, which the aggregates hold, too.
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
        """Return the figure of a row or a shared run; None where it is not known."""
        if isinstance(self.source, FileValue):
            return entry.more.get(self.name)
        for name in self.source.split("."):
            # A part may not be there: most models have one mode.
            entry = getattr(entry, name, None)
        return entry
