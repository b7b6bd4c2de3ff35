"""What training costs, recorded while it runs.

Floating-point operations are counted with torch's own counter (2 x multiply-adds of
matrix products and convolutions, forward and backward; element-wise work is not in it).
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

    The counter makes a step several times slower, so it runs on six small batches (of
    two and three utterances: CLIP leaves a batch of one out) and the rest is
    arithmetic: every layer's work is a polynomial in the length, of second degree
    because of attention, and has a part for each utterance and one for the batch
    (relative positions). What is left out is the products of utterances with each other
    in CLIP, less than a millionth, and the rounding of lengths by sub-sampling.

    Args:
        count: Returns the operations counted for ``(utterances, seconds)``; several
            numbers are modelled side by side.
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
            utterances: Utterances in the batch.
            seconds: Length of the longest.
        """
        powers = np.array([seconds**2, seconds, 1.0])
        flops = powers @ (self._batch + utterances * self._each)
        return tuple(int(round(f)) for f in flops)


class CostLog:
    """``cost.json`` of a training: one entry an epoch, and their sums.

    An epoch that runs again after an interruption replaces its entry; the seconds of
    the lost one stay counted under ``redone_seconds``.

    Args:
        path: The file. An existing one is continued.
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
        """Add what is done once before the epochs, instead of an entry of that name.

        Args:
            name: Its name.
            made_of: Digest of its inputs, if other trainings may use it.
            figures: As those of :meth:`add`.
        """
        self._once[name] = figures
        if made_of:
            self._made_of[name] = made_of
        self._write()

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
    """Sum the figures of epochs; ``epochs`` is how many there are."""
    keys = sorted({key for entry in entries for key in entry} - {"epoch"})
    return {
        **{key: sum(entry.get(key, 0) for entry in entries) for key in keys},
        "epochs": len(entries),
    }


def write_no_cost(folder: Path) -> None:
    """Write ``cost.json`` of a model that no training was needed for."""
    keys = ("train_seconds", "cpu_seconds", "audio_seconds", "flops", "teacher_flops")
    write_json(Experiment(folder).cost_file, {**dict.fromkeys(keys, 0), "epochs": 0})


class Stopwatch:
    """Wall-clock and processor seconds since it was made."""

    def __init__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return (wall-clock seconds, this process's processor seconds)."""
        return (
            time.perf_counter() - self._wall,
            time.process_time() - self._cpu,
        )
