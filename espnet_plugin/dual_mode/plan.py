"""The length of a training, on which the schedule of the masks depends."""

from dataclasses import dataclass
from typing import Optional

from espnet_plugin.errors import UserError

__all__ = ["TrainingPlan"]


@dataclass(frozen=True)
class TrainingPlan:
    """Batches and updates of a training.

    Attributes:
        batches: Number of batches in each epoch.
        accumulated: Number of batches in each update.

    Raises:
        UserError: If there is no update.
    """

    batches: tuple[int, ...]
    accumulated: int = 1

    def __post_init__(self):
        if self.updates < 1:
            raise UserError(
                f"accum_grad {self.accumulated}: an epoch has only "
                f"{max(self.batches, default=0)} batches, so there would be no "
                "update: reduce accum_grad or the batch size"
            )

    @property
    def updates(self) -> int:
        """Number of updates. Incomplete updates at the end of an epoch do not count."""
        return sum(batches // self.accumulated for batches in self.batches)

    def update(self, batch: int) -> Optional[int]:
        """Return the index of the update that begins with a batch; None if none does.

        Args:
            batch: Index of the batch in the training, from 0.
        """
        made = 0
        for batches in self.batches:
            whole = batches // self.accumulated
            if batch < batches:
                update, rest = divmod(batch, self.accumulated)
                return made + update if rest == 0 and update < whole else None
            batch, made = batch - batches, made + whole
        return None
