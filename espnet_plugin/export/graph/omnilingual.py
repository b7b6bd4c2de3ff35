"""A recogniser behind sherpa-onnx's kind for raw audio, ``omnilingual``."""

from typing import Sequence

import torch
from torch import nn

__all__ = ["EPSILON", "OmnilingualRecogniser"]

# sherpa-onnx gives (x - mean) / sqrt(variance + EPSILON) of each utterance.
EPSILON = 1e-5
_LEAST = 1e-9


class OmnilingualRecogniser(nn.Module):
    """Samples of variance one, as that kind gives them, to log-probabilities.

    A model with a corpus's normalisation needs the true level. It can be computed,
    because the variance of the samples falls short of one by ``EPSILON / (variance +
    EPSILON)``.

    Args:
        recogniser: The recogniser from samples and their lengths.
        repeat: How often each frame is given: that kind's frames are of 20 ms.
        never: Numbers of tokens that must not win.
        vocabulary: Tokens.
        floor: Added to the log-probabilities of those.
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
        # In double precision: what falls short of one is small.
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
