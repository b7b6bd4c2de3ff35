"""A recogniser for sherpa-onnx's model type for raw audio, ``omnilingual``."""

from typing import Sequence

import torch
from torch import nn

__all__ = ["EPSILON", "OmnilingualRecogniser"]

# sherpa-onnx gives (x - mean) / sqrt(variance + EPSILON) of each utterance.
EPSILON = 1e-5
_LEAST = 1e-9


class OmnilingualRecogniser(nn.Module):
    """Maps samples with variance one, as sherpa-onnx gives them, to log-probabilities.

    A model with global normalisation needs the true level. It can be recovered, because
    the variance of the normalised samples is one minus ``EPSILON / (variance +
    EPSILON)``.

    Args:
        recogniser: The recogniser from samples and their lengths.
        repeat: How often each frame is repeated: sherpa-onnx assumes frames of 20 ms.
        never: Indices of tokens that must never be the best ones.
        vocabulary: Number of tokens.
        floor: Value added to the log-probabilities of the tokens in ``never``.
    """

    def __init__(
        self,
        recogniser: nn.Module,
        repeat: int,
        never: Sequence[int],
        vocabulary: int,
        floor: float,
    ):
        super().__init__()
        self.recogniser, self.repeat = recogniser, repeat
        offset = torch.zeros(vocabulary)
        offset[list(never)] = floor
        self.register_buffer("offset", offset, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Recognise ``(1, samples)``.

        Returns:
            ``(1, repeat * frames, vocabulary)``.
        """
        # In double precision, because the difference from one is small.
        y = x.double()
        variance = (y * y).mean(1, keepdim=True) - y.mean(1, keepdim=True).square()
        gain = (EPSILON / (1.0 - variance).clamp(min=_LEAST)).sqrt()
        samples = x * gain.float()
        lengths = torch.ones_like(samples[:, :1]).long()[:, 0] * samples.size(1)
        log_probs, _ = self.recogniser(samples, lengths)
        log_probs = log_probs + self.offset
        if self.repeat == 1:
            return log_probs
        log_probs = log_probs[:, :, None].expand(-1, -1, self.repeat, -1)
        return log_probs.flatten(1, 2)
