"""Kaldi's filter banks in the graph, as this plugin's ``kaldi_fbank`` computes them."""

import math
from typing import Optional

import torch
from torch import nn
from torchaudio.compliance.kaldi import get_mel_banks

from espnet_plugin.export.graph.framing import frames_of, mirror_ends
from espnet_plugin.export.graph.operators import log_from, quotient

__all__ = ["KaldiFrontEnd"]

_FRAME_S = 0.025
_SHIFT_S = 0.010
_PREEMPHASIS = 0.97
_LOWEST_HZ = 20.0
_INT16 = 32768.0


class KaldiFrontEnd(nn.Module):
    """Samples to Kaldi's log-mel filter banks (``snip_edges=False``, no dither).

    Removing the mean, pre-emphasis, window and Fourier transform are linear, so
    together they are one constant matrix.

    Args:
        rate: Sampling rate in Hz.
        mels: Number of filters.
    """

    def __init__(self, rate: int, mels: int):
        super().__init__()
        self.size, self.hop = int(rate * _FRAME_S), int(rate * _SHIFT_S)
        points = 1 << (self.size - 1).bit_length()
        filters, _ = get_mel_banks(mels, points, rate, _LOWEST_HZ, 0.0, 0.0, 0.0, 1.0)
        used = (filters != 0).any(dim=0).nonzero()
        first, last = int(used[0]), int(used[-1])
        bins = torch.arange(first, last + 1, dtype=torch.float64)
        steps = torch.arange(self.size, dtype=torch.float64)
        angles = 2 * math.pi / points * steps[:, None] * bins
        matrix = torch.cat([angles.cos(), angles.sin()], dim=1)
        # Kaldi's own window: a Hann window that includes both ends, flattened.
        window = torch.hann_window(self.size, periodic=False, dtype=torch.float64)
        matrix = window.pow(0.85)[:, None] * matrix
        emphasis = torch.eye(self.size, dtype=torch.float64)
        before = (steps - 1).clamp(min=0).long()
        emphasis[before, steps.long()] -= _PREEMPHASIS
        centring = torch.eye(self.size, dtype=torch.float64) - 1 / self.size
        matrix = _INT16 * (centring @ emphasis @ matrix)
        self.bins = len(bins)
        # Not persistent: such constants are never quantised.
        self.register_buffer("matrix", matrix.float(), persistent=False)
        mel = filters[:, first : last + 1].t().float().contiguous()
        self.register_buffer("mel", mel, persistent=False)
        self.floor = torch.finfo(torch.float32).eps

    def least_samples(self, frames: int) -> int:
        """Return how many samples give ``frames`` frames at least."""
        # At least a whole window, which torchaudio requires.
        return max(self.size, frames * self.hop - self.hop // 2)

    def forward(
        self,
        samples: torch.Tensor,
        lengths: torch.Tensor,
        least: int = 0,
        frames: Optional[int] = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute features.

        Args:
            samples: ``(batch, samples)`` in [-1, 1).
            lengths: ``(batch,)``.
            least: Shorter utterances are followed by zeros, up to so many samples, and
                in any case as many as one frame needs.
            frames: Number of frames to return; that of the longest utterance if not
                given.

        Returns:
            ``(batch, frames, mels)``, and the valid frames ``(batch,)``.
        """
        left = self.size // 2 - self.hop // 2
        least = max(least, self.least_samples(1))
        samples = mirror_ends(
            *(samples, lengths, left, self.size, 0, least), fixed=frames is not None
        )
        counts = quotient(lengths.clamp(min=least) + self.hop // 2, self.hop)
        most = counts.max() if frames is None else frames
        windows = frames_of(samples, self.size, self.hop)[:, :most]
        return self.of_frames(windows), counts

    def of_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """Map windows ``(..., size)`` of samples to ``(..., mels)``."""
        spectrum = frames @ self.matrix
        real, imaginary = spectrum[..., : self.bins], spectrum[..., self.bins :]
        power = real * real + imaginary * imaginary
        return log_from(power @ self.mel, self.floor)
