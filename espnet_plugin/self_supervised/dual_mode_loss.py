"""Interface of the losses of the dual-mode model."""

from abc import abstractmethod
from typing import Optional

import torch
from espnet2.ssl.loss.abs_loss import AbsSSLLoss

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder

__all__ = ["DualModeLoss"]


class DualModeLoss(AbsSSLLoss):
    """A loss whose targets are shared by both passes.

    In each step the model calls :meth:`local_features` (from which targets are made),
    :meth:`hide` (which makes the input of the passes), and :meth:`targets`. Then it
    calls ``objective.compare`` for each pass, which returns ``loss``, ``accuracy`` and
    the input of ``objective.distil``.

    Attributes:
        objective: The objective, in plain torch; None until :meth:`fit_to`.
        hides_features: Whether the encoder's input is masked (:meth:`hide`). Otherwise
            the model masks after the subsampling, with a mask vector.
    """

    hides_features: bool
    objective: Optional[torch.nn.Module]

    @abstractmethod
    def fit_to(self, encoder: DualModeConformerEncoder) -> None:
        """Adapt the loss to the encoder; the model calls this once."""

    def step(self, update: int, updates: Optional[int] = None) -> None:
        """Advance the schedules, if there are any.

        Args:
            update: Number of updates made so far.
            updates: Number of updates of the whole training, if known.
        """

    @abstractmethod
    def local_features(
        self, features: torch.Tensor, frames: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Return the features to quantise, ``(batch, encoder frames, size)``.

        Args:
            features: Input of the encoder without masks, ``(batch, frames, features)``.
            frames: Subsampled frames without masks, ``(batch, encoder frames, width)``;
                None if ``hides_features``.
        """

    def hide(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ) -> torch.Tensor:
        """Return the features with masked frames replaced.

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
            valid: ``(batch, encoder frames)``, False on padding.
            mask: ``(batch, encoder frames)``, True where the encoder has to predict.
            generator: Random numbers, on the CPU; torch's own if None.

        Raises:
            UserError: If too few frames are masked.
        """

    def regularise(self, targets) -> tuple[Optional[torch.Tensor], dict]:
        """Return a weighted loss that does not depend on the passes, and statistics."""
        return None, {}

    def schedule_stats(self) -> dict[str, torch.Tensor]:
        """Return the current values of the schedules."""
        return {}
