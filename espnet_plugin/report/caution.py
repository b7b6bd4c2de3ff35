"""The caution about speeds that were measured while the machine did other work."""

from typing import Iterable

from espnet_plugin.report.table import fill
from espnet_plugin.results.group import Group

__all__ = ["SPEEDS", "busy_caution"]

# Metrics of the measurement whose load is known.
SPEEDS = ("encoder_rtf", "chunk_rtf")
_CAUTION = """\
Measured on a busy machine: the speed (RTF) of {names}. Other work slowed these down, so
they cannot be compared; measure again on a quiet machine (`--stage 9 --remeasure_rtf
true`). Busy: the load was above the number of cores or, where that number was not
recorded, above one process besides the measurement."""


def busy_caution(groups: Iterable[Group]) -> str:
    """Name the models whose speed was measured on a busy machine; empty if none."""
    groups = list(groups)
    busy = [one for one in groups if any(r.running.was_busy for r in one.rows)]
    if not busy:
        return ""
    measured = [one for one in groups if one.mean("encoder_rtf") is not None]
    every = len(busy) == len(measured)
    names = "all models" if every else ", ".join(f"{one.label}" for one in busy)
    return fill(_CAUTION.format(names=names))
