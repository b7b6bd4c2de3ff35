"""A training that serves several models (EncRL, a search for layers), and chains of it.

A run may go on from another: what is built on it is built on that one, too.
"""

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional

from espnet_plugin.results.row import Row, TrainingCost

__all__ = ["Runs", "SharedRun", "chain_of", "reference_of", "runs_by_name"]


@dataclass(frozen=True)
class SharedRun:
    """One shared training.

    Attributes:
        name: By which rows and other runs name it.
        serves: Numbers of layers of the models that it is for.
        seed: Seed of the training.
        variant: Its variant; may be empty.
        after: Name of the run it goes on from, whose cost is not in its own.
        reference: See `Identity`.
        training: What it took.
        folder: Name of its experiment folder.
        missing: What there was no file or no number for.
        retained: See `Row`.
        more: See `Row`.
    """

    name: str
    serves: tuple[int, ...] = ()
    seed: Optional[int] = None
    variant: str = ""
    after: Optional[str] = field(default=None, metadata={"seldom": True})
    reference: Optional[str] = field(default=None, metadata={"seldom": True})
    training: TrainingCost = TrainingCost()
    folder: Optional[str] = field(default=None, metadata={"key": "dir"})
    missing: tuple[str, ...] = ()
    retained: bool = field(default=False, metadata={"key": "kept", "seldom": True})
    more: Mapping[str, Any] = field(default_factory=dict)


Runs = Mapping[str, SharedRun]


def runs_by_name(shared_runs) -> Runs:
    """Return the runs by their names."""
    return {run.name: run for run in shared_runs}


def chain_of(name: Optional[str], runs: Runs) -> tuple[str, ...]:
    """Return the names of a run and of those it went on from, the last one first.

    The last name returned may be of a run that is not there.
    """
    names: list[str] = []
    while name and name not in names:
        names.append(name)
        name = runs[name].after if name in runs else None
    return tuple(names)


def reference_of(row: Row, runs: Runs) -> Optional[str]:
    """Return which reference a row learnt from, as it or one of its runs says it."""
    chain = chain_of(row.identity.shared_run, runs)
    said = [runs[name].reference for name in chain if name in runs]
    return next(filter(None, [row.identity.reference, *said]), None)
