"""Linear CTC probes, one for each layer.

Plain torch.
"""

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.tensors.frames import frame_mask

__all__ = ["LayerProbes", "LinearProbe"]


class LinearProbe(nn.Module):
    """Standardise each dimension, then project linearly to the tokens.

    Means and variances are those of the batch during training, and of all training
    batches afterwards. Standardising allows the same learning rate for layers with
    different scales. Both steps are affine, so the probe only finds information that is
    linearly present in the layer.

    Args:
        width: Width of the layer's output.
        tokens: Number of tokens, including the blank.
        seed: Seed of the initial weights.

    Raises:
        UserError: If ``width`` is below 1 or ``tokens`` below 2.
    """

    def __init__(self, width: int, tokens: int, seed: int = 0):
        super().__init__()
        if width < 1 or tokens < 2:
            raise UserError(
                f"a probe of width {width} for {tokens} tokens: there must be at least "
                "one dimension, and a token besides the blank"
            )
        # Without momentum, the statistics are means over all batches.
        self.standardise = nn.BatchNorm1d(width, affine=False, momentum=None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.project = nn.Linear(width, tokens)

    def forward(self, encodings: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities; padding has no effect on those of valid frames.

        Args:
            encodings: ``(batch, frames, width)``.
            lengths: ``(batch,)``, valid frames.

        Returns:
            ``(batch, frames, tokens)``.
        """
        valid = frame_mask(lengths, encodings.shape[1])
        standard = torch.zeros_like(encodings)
        standard[valid] = self.standardise(encodings[valid])
        return self.project(standard).log_softmax(-1)


class LayerProbes(nn.ModuleList):
    """One probe for each layer, all with the same initial weights.

    Args:
        widths: Width of each layer's output.
        tokens: Number of tokens, including the blank.
        seed: Seed of the initial weights.
    """

    def __init__(self, widths: Sequence[int], tokens: int, seed: int = 0):
        super().__init__(LinearProbe(width, tokens, seed) for width in widths)

    def losses(
        self,
        outputs: Sequence[torch.Tensor],
        lengths: torch.Tensor,
        targets: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        """Compute the CTC loss of every probe, summed over the utterances.

        Blank is token 0. An utterance with fewer frames than its tokens need (one for
        each, and one between equal neighbours) has loss 0.

        Args:
            outputs: Outputs ``(batch, frames, width)`` of each layer, without gradient.
            lengths: Numbers of valid frames, ``(batch,)``.
            targets: Token indices of each utterance.

        Returns:
            ``(layers,)``.
        """
        sizes = torch.tensor([len(one) for one in targets])
        joined = torch.cat([torch.as_tensor(one) for one in targets])
        losses = [
            F.ctc_loss(
                probe(output, lengths).transpose(0, 1),
                joined.to(output.device),
                lengths,
                sizes.to(output.device),
                reduction="sum",
                zero_infinity=True,
            )
            for probe, output in zip(self, outputs)
        ]
        return torch.stack(losses)
