"""Units in which figures of very different sizes can be read on an axis."""

from dataclasses import dataclass
from typing import Iterable, Optional, Sequence

__all__ = ["OPERATIONS", "TIMES", "Unit", "fitting_unit"]


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        name: Its name.
        size: One of this unit in the base unit (operations, seconds).
    """

    name: str
    size: float

    def of(self, value: Optional[float]) -> Optional[float]:
        """Convert a value of the base unit; None for unknown or zero."""
        return value / self.size if value else None


# From large to small.
OPERATIONS = (
    *(Unit("PFLOP", 1e15), Unit("TFLOP", 1e12), Unit("GFLOP", 1e9)),
    *(Unit("MFLOP", 1e6), Unit("FLOP", 1.0)),
)
TIMES = (Unit("hours", 3600.0), Unit("minutes", 60.0), Unit("seconds", 1.0))
# The largest value has at most one zero after the point.
_SMALLEST = 0.01


def fitting_unit(values: Iterable[Optional[float]], units: Sequence[Unit]) -> Unit:
    """Return the first unit in which the largest value is at least 0.01.

    Args:
        values: Values in the base unit; None is not known.
        units: Units from large to small; if none fits, the last one is returned, and if
            no value is known or above 0, the first.
    """
    largest = max((one for one in values if one), default=0.0)
    if not largest:
        return units[0]
    fitting = (one for one in units if largest / one.size >= _SMALLEST)
    return next(fitting, units[-1])
