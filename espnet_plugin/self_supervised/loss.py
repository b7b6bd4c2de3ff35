"""wav2vec 2.0's loss in the form of ESPnet's SSL task."""

from typing import Any, Optional

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.names import WAV2VEC2
from espnet_plugin.options import read_options
from espnet_plugin.self_supervised.dual_mode_loss import DualModeLoss
from espnet_plugin.self_supervised.wav2vec2 import Targets, Wav2Vec2Objective

__all__ = ["Wav2Vec2Loss"]


class Wav2Vec2Loss(DualModeLoss):
    """The contrastive loss, for any encoder that ESPnet's SSL task can build.

    With ESPnet's own SSL model, the output of the front end is quantised (with
    ``wav2vec_cnn`` these are the paper's local features), because that model masks
    later features in place. Front end and encoder must have the same frame rate, i.e.
    the encoder must not subsample. Set ``normalize: null`` there: ESPnet normalises in
    place, but only without gradients, so validation would have different targets.

    The dual-mode model quantises its subsampled features; see model.py.

    - [0] wav2vec 2.0, 2020, https://arxiv.org/abs/2006.11477

    Args:
        encoder_output_size: Width of the encodings, set by ESPnet's task.
        target_size: Width of the local features, e.g. 512 with ``wav2vec_cnn``.
        mask_util: Name of the masking entry in the task's ``util``.
        options: The options that
            :class:`~espnet_plugin.self_supervised.wav2vec2.Wav2Vec2Objective` takes.

    Raises:
        UserError: If an option is unknown or out of range.
    """

    hides_features = False

    def __init__(
        self,
        encoder_output_size: int,
        target_size: Optional[int] = None,
        mask_util: str = "mask",
        **options: Any,
    ):
        super().__init__()
        self.util_attributes = [mask_util]
        self.required_inputs = [
            "encoder_output",
            "encoder_output_lengths",
            "frontend",
            "frontend_lengths",
            "mask_info",
        ]
        self.objective = read_options(
            Wav2Vec2Objective,
            options,
            f"loss {WAV2VEC2}, conf",
            encoder_size=encoder_output_size,
            target_size=target_size,
        )

    def step(self, update: int, updates: Optional[int] = None) -> None:
        """Set the temperature for an update; the SSL model calls this.

        Args:
            update: Number of updates made so far.
            updates: Number of updates of the whole training, if known.
        """
        self.objective.set_update(int(update), updates)

    def fit_to(self, encoder: DualModeConformerEncoder) -> None:
        """Do nothing: the loss does not depend on the encoder; see the base class."""

    def local_features(
        self, features: torch.Tensor, frames: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Return the sub-sampled frames; see the base class."""
        return frames

    def targets(
        self,
        local: torch.Tensor,
        valid: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ) -> Targets:
        """Quantise the frames and draw distractors; see the base class."""
        return self.objective.targets(local, valid, mask, generator)

    def regularise(
        self, targets: Targets
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the weighted diversity loss; see the base class."""
        diversity = targets.diversity
        stats = {"loss_diversity": diversity.detach()}
        return self.objective.diversity_weight * diversity, stats

    def schedule_stats(self) -> dict[str, torch.Tensor]:
        """Return the quantiser's temperature; see the base class."""
        return {"temperature": torch.tensor(self.objective.quantiser.temperature)}

    def forward(
        self,
        encoder_output: list[torch.Tensor],
        encoder_output_lengths: torch.Tensor,
        frontend: torch.Tensor,
        frontend_lengths: torch.Tensor,
        mask_info: dict[str, torch.Tensor],
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Compute the loss of one pass.

        Args:
            encoder_output: Outputs of every layer, ``(batch, frames,
            encoder_output_size)``.
            encoder_output_lengths: Numbers of valid frames, ``(batch,)``.
            frontend: Local features without masks, ``(batch, frames, target_size)``.
            frontend_lengths: Numbers of valid frames, ``(batch,)``.
            mask_info: Has ``mask_m``, ``(batch, frames)``, True where masked.

        Returns:
            The loss, and statistics.

        Raises:
            UserError: If the frame rates differ, or nothing is masked.
        """
        encodings, mask = encoder_output[-1], mask_info["mask_m"]
        if encodings.shape[1] != frontend.shape[1]:
            raise UserError(
                f"loss wav2vec2: {frontend.shape[1]} frames from the front end, but "
                f"{encodings.shape[1]} from the encoder: give the encoder an "
                "input_layer that does not sub-sample (null or linear)"
            )
        lengths = encoder_output_lengths.to(encodings.device)
        along = torch.arange(encodings.shape[1], device=encodings.device)
        valid = along < lengths[:, None]
        objective = self.objective
        targets = objective.targets(frontend, valid, mask.to(valid.device))
        contrast = objective.compare(encodings, targets)
        loss = contrast.loss + objective.diversity_weight * targets.diversity
        stats = {
            "loss_contrastive": contrast.loss.item(),
            "acc": contrast.accuracy.item(),
            "loss_diversity": targets.diversity.item(),
            **{name: value.item() for name, value in targets.stats.items()},
            # ESPnet's name for the weight of a batch.
            "sample_size": int(targets.usable.sum()),
        }
        return loss, stats
