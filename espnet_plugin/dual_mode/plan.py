"""How long a training is, which the masks' schedule has to know."""

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
        UserError: If it makes no update.
    """

    batches: tuple[int, ...]
    accumulated: int = 1

    def __post_init__(self):
        if self.updates < 1:
            raise UserError(
                f"accum_grad {self.accumulated}: an epoch has only "
                f"{max(self.batches, default=0)} batches, so there would be no "
                "update; lower accum_grad or the batch size"
            )

    @property
    def updates(self) -> int:
        """Updates in all. Batches left over at an epoch's end make none."""
        return sum(batches // self.accumulated for batches in self.batches)

    def update(self, batch: int) -> Optional[int]:
        """Return the number of the update that a batch is the first of, if it is.

        Args:
            batch: Batches of the whole training before it.
        """
        made = 0
        for batches in self.batches:
            whole = batches // self.accumulated
            if batch < batches:
                update, rest = divmod(batch, self.accumulated)
                return made + update if rest == 0 and update < whole else None
            batch, made = batch - batches, made + whole
        return None
