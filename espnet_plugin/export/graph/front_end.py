"""ESPnet's default front end (STFT, power, mel, log) in real arithmetic."""

import math
from typing import Optional

import torch
from torch import nn

from espnet_plugin.export.graph.framing import mirror_ends
from espnet_plugin.export.graph.operators import log_from, quotient
from espnet_plugin.export.graph.spectrum import PowerSpectrum

__all__ = ["LogMelFrontEnd"]

# The floor of ESPnet's LogMel.
_FLOOR = 1e-10


class LogMelFrontEnd(nn.Module):
    """Computes log-mel features like ``DefaultFrontend`` for one channel.

    Args:
        stock: ESPnet's ``DefaultFrontend``.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        stft, logmel = stock.stft, stock.logmel
        self.hop, size, points = stft.hop_length, stft.win_length, stft.n_fft
        self.pad = points // 2 if stft.center else 0
        self.points = points
        self.scale = 1.0 if logmel.log_base is None else 1 / math.log(logmel.log_base)
        # The window is centred within the points of the FFT; the others are not read.
        before = (points - size) // 2
        self.left, self.right = self.pad - before, 0
        if self.pad:
            self.right = self.pad - (points - size - before)
        window = torch.ones(size, dtype=torch.float64)
        if stft.window is not None:
            window = getattr(torch, f"{stft.window}_window")(size, dtype=torch.float64)
        if stft.normalized:
            window = window / math.sqrt(points)
        self.spectrum = PowerSpectrum(window, self.hop, points, logmel.melmat)

    def least_samples(self, frames: int) -> int:
        """Return the number of samples that gives at least ``frames`` frames."""
        least = max(1, (frames - 1) * self.hop + self.points - 2 * self.pad)
        return max(least, self.pad + 1)

    def forward(
        self,
        samples: torch.Tensor,
        lengths: torch.Tensor,
        least: int = 0,
        frames: Optional[int] = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute features.

        Args:
            samples: ``(batch, samples)``.
            lengths: ``(batch,)``.
            least: Utterances are padded with zeros to at least this number of samples,
                and at least to what one frame needs.
            frames: Number of frames to return; that of the longest utterance if not
                given.

        Returns:
            ``(batch, frames, mels)``, and the valid frames ``(batch,)``.
        """
        least = max(least, self.least_samples(1))
        samples = mirror_ends(
            *(samples, lengths, self.left, self.right, 1, least),
            multiple=self.hop,
            fixed=frames is not None,
        )
        lengths = lengths.clamp(min=least) + (2 * self.pad - self.points)
        counts = quotient(lengths, self.hop) + 1
        most = counts.max() if frames is None else frames
        mels = self.spectrum(samples)[..., :most]
        return log_from(mels, _FLOOR).transpose(1, 2) * self.scale, counts
