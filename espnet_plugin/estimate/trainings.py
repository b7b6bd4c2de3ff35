"""The trainings of a stage: which are finished, and how long the others will take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.duration import hours_in_words
from espnet_plugin.experiment.folder import Experiment

__all__ = ["EpochTime", "PlannedTraining", "find_epoch_time"]


@dataclass(frozen=True)
class EpochTime:
    """The measured time of an epoch.

    Attributes:
        seconds: Wall-clock seconds of an epoch, mean of a training.
        folder: The training.
    """

    seconds: float
    folder: str


@dataclass(frozen=True)
class PlannedTraining:
    """A training of a stage.

    Attributes:
        folder: Its folder.
        epochs: Number of epochs; None if only the training itself can tell.
    """

    folder: str
    epochs: Optional[int]

    @property
    def is_finished(self) -> bool:
        """Whether it is finished; whether its inputs have changed is not checked."""
        return Experiment(self.folder).is_finished

    def line(self, epoch: Optional[EpochTime]) -> str:
        """Return folder, epochs, state and, if an epoch was measured, the time left."""
        words = "as many epochs as cost the same as the model it is compared with"
        if self.epochs is not None:
            words = f"{self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        if self.is_finished:
            return f"{self.folder}: {words}, finished"
        done = self._finished_epochs()
        state = f"{done} of them finished" if done else "not started"
        if epoch is None or self.epochs is None:
            return f"{self.folder}: {words}, {state}"
        hours = max(0, self.epochs - done) * epoch.seconds / 3600
        return f"{self.folder}: {words}, {state}, about {hours_in_words(hours)}"

    def _finished_epochs(self) -> int:
        try:
            return Experiment(self.folder).cost().epochs or 0
        except UserError:  # there is no file yet
            return 0


def find_epoch_time(folders: Sequence[str]) -> Optional[EpochTime]:
    """Return the time of an epoch of the first training that has one; None: no one.

    Args:
        folders: Trainings of the same kind, finished or not.
    """
    for folder in folders:
        try:
            cost = Experiment(Path(folder)).cost()
        except UserError:
            continue
        if cost.epochs and cost.train_seconds:
            return EpochTime(cost.train_seconds / cost.epochs, folder)
    return None
