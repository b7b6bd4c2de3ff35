"""Trainings that are shared by several models (EncRL, a search for layers).

A run may continue another run. A model built on a run is also built on the runs that it
continues.
"""

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Optional

from espnet_plugin.results.row import Row, TrainingCost, key, seldom

__all__ = ["Runs", "SharedRun", "chain_of", "reference_of", "runs_by_name"]


@dataclass(frozen=True)
class SharedRun:
    """One shared training."""

    #: Name by which rows and other runs refer to it.
    name: str
    #: Numbers of layers of the models that are built on it.
    serves: tuple[int, ...] = ()
    seed: Optional[int] = None
    variant: str = ""
    #: Name of the run that it continues, whose cost is not included.
    after: Optional[str] = seldom()
    #: See `Identity`; for the fields below see `Row`.
    reference: Optional[str] = seldom()
    training: TrainingCost = TrainingCost()
    folder: Optional[str] = key("dir")
    missing: tuple[str, ...] = ()
    retained: bool = key("kept", False, seldom=True)
    more: Mapping[str, Any] = field(default_factory=dict)


Runs = Mapping[str, SharedRun]


def runs_by_name(shared_runs: Iterable[SharedRun]) -> Runs:
    """Return the runs by their names."""
    return {run.name: run for run in shared_runs}


def chain_of(name: Optional[str], runs: Runs) -> tuple[str, ...]:
    """Return the names of a run and of the runs that it continues, the latest first.

    The last name may be that of a run that does not exist.
    """
    names: list[str] = []
    while name and name not in names:
        names.append(name)
        name = runs[name].after if name in runs else None
    return tuple(names)


def reference_of(row: Row, runs: Runs) -> Optional[str]:
    """Return the reference of a row, from the row or one of its runs."""
    chain = chain_of(row.identity.shared_run, runs)
    said = [runs[name].reference for name in chain if name in runs]
    return next(filter(None, [row.identity.reference, *said]), None)
