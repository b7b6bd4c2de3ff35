"""What the dual-mode model needs of a loss of ESPnet's SSL task."""

from abc import abstractmethod
from typing import Optional

import torch
from espnet2.ssl.loss.abs_loss import AbsSSLLoss

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder

__all__ = ["DualModeLoss"]


class DualModeLoss(AbsSSLLoss):
    """A loss whose targets both passes share.

    In a step the model calls, in this order, :meth:`local_features` (the targets are
    made of these), :meth:`hide` (the passes get these features), then the methods of
    ``objective``: ``targets``, and for each pass ``compare`` (which returns ``loss``,
    ``accuracy`` and what ``distil`` takes).

    Attributes:
        objective: The objective, in plain torch; None until :meth:`fit_to`.
        hides_features: Whether the encoder's input is masked (:meth:`hide`); otherwise
            the model puts its mask vector behind the sub-sampling.
    """

    hides_features: bool
    objective: Optional[torch.nn.Module]

    @abstractmethod
    def fit_to(self, encoder: DualModeConformerEncoder) -> None:
        """Take what the loss has to know of the encoder; called once, by the model."""

    def step(self, update: int, updates: Optional[int] = None) -> None:
        """Move the schedules, if there are any.

        Args:
            update: Updates made so far.
            updates: Updates of the whole training, if known.
        """

    @abstractmethod
    def local_features(
        self, features: torch.Tensor, frames: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Return what the targets are made of, ``(batch, encoder frames, size)``.

        Args:
            features: ``(batch, frames, features)``, the encoder's input, not masked.
            frames: ``(batch, encoder frames, width)``, sub-sampled, not masked; None if
                ``hides_features``.
        """

    def hide(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ) -> torch.Tensor:
        """Return the features that the encoder may see.

        Args:
            features: ``(batch, frames, features)``.
            mask: ``(batch, encoder frames)``, True where the encoder has to predict.
            generator: Random numbers, on the CPU; torch's own if None.
        """
        return features

    @abstractmethod
    def targets(
        self,
        local: torch.Tensor,
        valid: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ):
        """Return the objective's targets; they have ``usable`` and ``stats``.

        Args:
            local: What :meth:`local_features` returned.
            valid: ``(batch, encoder frames)``, False where there is padding.
            mask: ``(batch, encoder frames)``.
            generator: Random numbers, on the CPU; torch's own if None.

        Raises:
            UserError: If too few frames are masked.
        """

    def regularise(self, targets) -> tuple[Optional[torch.Tensor], dict]:
        """Return a weighted loss that does not depend on the passes, and statistics."""
        return None, {}

    def schedule_stats(self) -> dict[str, torch.Tensor]:
        """Return where the schedules are."""
        return {}
