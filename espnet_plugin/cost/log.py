"""The cost of a training (time, audio, operations), recorded while it runs.

Floating-point operations are counted with torch's counter: 2 x multiply-adds of matrix
products and convolutions, forward and backward, without element-wise operations.
"""

import time
from pathlib import Path
from typing import Callable, Union

import numpy as np

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json, write_json

__all__ = ["CostLog", "FlopModel", "Stopwatch", "total_cost", "write_no_cost"]


class FlopModel:
    """Operations of a step as a function of its batch's shape.

    The counter makes a step several times slower. So it runs only on six small batches,
    and a polynomial is fitted. The work of every layer is a polynomial of second degree
    in the length (because of attention), with one part for each utterance and one for
    the batch (relative positions). The batches have two and three utterances, because
    CLIP skips a batch of one. The model neglects the products between utterances in
    CLIP (less than a millionth) and the rounding of lengths by subsampling.

    Args:
        count: Function of ``(utterances, seconds)`` that returns counted operations;
            each of the returned numbers is modelled by itself.
    """

    SECONDS = (1.0, 3.0, 6.0)

    def __init__(self, count: Callable[[int, float], tuple[float, ...]]):
        two, three = (
            np.array([count(batch, s) for s in self.SECONDS], dtype=float)
            for batch in (2, 3)
        )
        powers = np.vander(self.SECONDS, 3)
        # (3, numbers) each: c2 s^2 + c1 s + c0.
        self._each = np.linalg.solve(powers, three - two)
        self._batch = np.linalg.solve(powers, 3 * two - 2 * three)

    def __call__(self, utterances: int, seconds: float) -> tuple[int, ...]:
        """Return the operations for a padded batch.

        Args:
            utterances: Number of utterances in the batch.
            seconds: Duration of the longest in seconds.
        """
        powers = np.array([seconds**2, seconds, 1.0])
        flops = powers @ (self._batch + utterances * self._each)
        return tuple(int(round(f)) for f in flops)


class CostLog:
    """``cost.json`` of a training: one entry per epoch, and their sums.

    An epoch that is repeated after an interruption replaces its entry. The seconds of
    the lost epoch are added to ``redone_seconds``.

    Args:
        path: Path of the file. An existing file is continued.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        stored = read_json(self.path) if self.path.is_file() else {}
        self._epochs = {entry["epoch"]: entry for entry in stored.get("per_epoch", [])}
        self._redone = stored.get("redone_seconds", 0.0)
        self._once = stored.get("once", {})
        self._made_of = stored.get("made_of", {})

    def add(self, epoch: int, **figures: float) -> None:
        """Add figures of an epoch and write the file.

        Args:
            epoch: Number of the epoch, from 1.
            figures: ``train_seconds``, ``valid_seconds``, ``cpu_seconds``,
                ``audio_seconds``, ``flops``, ``teacher_flops``...
        """
        entry = self._epochs.get(epoch, {})
        if figures.keys() & entry.keys():
            self._redone += entry.get("train_seconds", 0) + entry.get(
                "valid_seconds", 0
            )
            entry = {}
        self._epochs[epoch] = {**entry, "epoch": epoch, **figures}
        self._write()

    def add_once(self, name: str, made_of: str = "", **figures: float) -> None:
        """Add or replace the entry of work that is done once, before the epochs.

        Args:
            name: Name of the entry.
            made_of: Checksum of its inputs, if other trainings may share the result.
            figures: Figures as in :meth:`add`.
        """
        self._once[name] = figures
        if made_of:
            self._made_of[name] = made_of
        self._write()

    def epoch_seconds(self) -> list[float]:
        """Return the seconds of each epoch, with its validation, in order."""
        return [
            entry.get("train_seconds", 0.0) + entry.get("valid_seconds", 0.0)
            for _, entry in sorted(self._epochs.items())
        ]

    def _write(self) -> None:
        entries = [self._epochs[e] for e in sorted(self._epochs)]
        totals = total_cost([*entries, *self._once.values()])
        write_json(
            self.path,
            {
                **totals,
                "epochs": len(entries),
                "redone_seconds": self._redone,
                "once": self._once,
                **({"made_of": self._made_of} if self._made_of else {}),
                "per_epoch": entries,
            },
        )


def total_cost(entries: list[dict]) -> dict:
    """Sum the figures of entries; ``epochs`` is the number of entries."""
    keys = sorted({key for entry in entries for key in entry} - {"epoch"})
    return {
        **{key: sum(entry.get(key, 0) for entry in entries) for key in keys},
        "epochs": len(entries),
    }


def write_no_cost(folder: Path) -> None:
    """Write ``cost.json`` of a model that needed no training."""
    keys = ("train_seconds", "cpu_seconds", "audio_seconds", "flops", "teacher_flops")
    write_json(Experiment(folder).cost_file, {**dict.fromkeys(keys, 0), "epochs": 0})


class Stopwatch:
    """Measures wall-clock and processor time since its creation."""

    def __init__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return wall-clock seconds and processor seconds of this process."""
        return (
            time.perf_counter() - self._wall,
            time.process_time() - self._cpu,
        )
