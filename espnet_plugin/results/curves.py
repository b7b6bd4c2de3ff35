"""The learning curve of a row, from all trainings of its model."""

import math
from pathlib import Path
from typing import Iterable, Optional

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.results.row import Curve, Row
from espnet_plugin.results.shared_run import SharedRun
from espnet_plugin.results.train_log import Epoch, read_train_log

__all__ = ["read_curve"]


def read_curve(
    folder: Path, row: Row, shared: Iterable[tuple[Path, SharedRun]] = ()
) -> Curve:
    """Read the epochs of shared trainings, then the model's own, numbered in sequence.

    A model's own log is in its folder, or in ``train/`` if the model was cut out after
    training. From a shared training, the rates of the row's own size (or mode) are
    used; its epochs count even if the log does not have these rates.

    Args:
        folder: Experiment folder of the model.
        row: Its row.
        shared: Folder and run of each training that the model is built on, in order.
    """
    logs = [read_train_log(path, _output(row, run)) for path, run in shared]
    logs.append(
        read_train_log(folder) or read_train_log(Experiment(folder).work.folder)
    )
    numbers: list[float] = []
    epochs: list[Epoch] = []
    for log in logs:
        before = numbers[-1] if numbers else 0
        numbers += [before + epoch.number for epoch in log]
        epochs += log
    return Curve(
        tuple(numbers) or None,
        _column(epoch.dev_cer for epoch in epochs),
        _column(epoch.dev_loss for epoch in epochs),
    )


def _output(row: Row, run: SharedRun) -> Optional[str]:
    """Return the row's output in a shared training; None for the largest size."""
    if row.mode:
        return row.mode
    size = row.identity.size
    return None if size == max(run.serves) else f"layer{size}"


def _column(values: Iterable[Optional[float]]) -> Optional[tuple[float, ...]]:
    listed = tuple(math.nan if value is None else value for value in values)
    return listed if any(map(math.isfinite, listed)) else None
