"""BEST-RQ's loss in the form of ESPnet's SSL task."""

from typing import Any, Optional

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.names import BEST_RQ, DUAL_MODE_SSL, SPAN_MASK
from espnet_plugin.options import read_options
from espnet_plugin.self_supervised.best_rq import (
    BestRQObjective,
    BestRQOptions,
    CodeTargets,
    add_noise,
)
from espnet_plugin.self_supervised.dual_mode_loss import DualModeLoss
from espnet_plugin.self_supervised.stacking import FrameStacking

__all__ = ["BestRQLoss"]


class BestRQLoss(DualModeLoss):
    """BEST-RQ's loss for the dual-mode model.

    The quantised frames are the input of the encoder: log-mel features after ESPnet's
    normalisation, without which only few codes would be used. One target is made from
    as many frames as the subsampling factor of the encoder; see :class:`FrameStacking`.
    Masked frames are replaced by noise before the subsampling.

    - [0] BEST-RQ, 2022, https://arxiv.org/abs/2202.01855

    Args:
        encoder_output_size: Width of the encodings, set by ESPnet's task.
        mask_util: Name of the masking entry in the task's ``util``.
        options: The fields of :class:`BestRQOptions`.

    Raises:
        UserError: If an option is unknown or out of range.
    """

    hides_features = True

    def __init__(
        self, encoder_output_size: int, mask_util: str = SPAN_MASK, **options: Any
    ):
        super().__init__()
        self.util_attributes = [mask_util]
        self.required_inputs = ["encoder_output"]
        self._options = read_options(BestRQOptions, options, f"loss {BEST_RQ}, conf")
        self._encoder_size = encoder_output_size
        self._stacking: Optional[FrameStacking] = None
        self.objective: Optional[BestRQObjective] = None

    def fit_to(self, encoder: DualModeConformerEncoder) -> None:
        """Draw the quantiser for the features of the encoder; see the base class."""
        self._stacking = FrameStacking(encoder.embed.stride, encoder.embed.span)
        stacked = encoder.embed.stride * encoder.options["input_size"]
        self.objective = BestRQObjective(self._encoder_size, stacked, self._options)

    def local_features(
        self, features: torch.Tensor, frames: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Stack the input frames; see the base class."""
        return self._stacking.stack(features)

    def hide(
        self,
        features: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ) -> torch.Tensor:
        """Replace masked frames by noise; see the base class."""
        spread = self._stacking.spread(mask, features.shape[1])
        return add_noise(features, spread, self.objective.noise, generator)

    def targets(
        self,
        local: torch.Tensor,
        valid: torch.Tensor,
        mask: torch.Tensor,
        generator: Optional[torch.Generator] = None,
    ) -> CodeTargets:
        """Return the codes of the frames; see the base class."""
        return self.objective.targets(local, valid, mask)

    def forward(self, **inputs: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        """Not supported: ESPnet's own model masks features in place.

        Raises:
            UserError: Always.
        """
        raise UserError(
            f"loss {BEST_RQ}: this loss needs this plugin's model ({DUAL_MODE_SSL}, "
            "python -m espnet_plugin.bin.dual_mode_ssl_train); ESPnet's own SSL model "
            "does not keep the features that it has masked"
        )
