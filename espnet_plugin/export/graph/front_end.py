"""ESPnet's default front end (STFT, power, mel, log) in real arithmetic."""

import math

import torch
from torch import nn

from espnet_plugin.export.graph.framing import frames_of, mirror_ends

__all__ = ["LogMelFrontEnd"]

# Of ESPnet's LogMel.
_FLOOR = 1e-10


class LogMelFrontEnd(nn.Module):
    """Samples to log-mel features, as ``DefaultFrontend`` of one channel computes them.

    The windowed Fourier transform is a product with a constant matrix. Where the window
    is symmetric, a frame is folded about its middle first, which halves the product:
    its even part has all of the cosines, its odd part all of the sines.

    Args:
        stock: ESPnet's ``DefaultFrontend``.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        stft, logmel = stock.stft, stock.logmel
        self.hop, self.size, points = stft.hop_length, stft.win_length, stft.n_fft
        self.pad = points // 2 if stft.center else 0
        self.points = points
        self.scale = 1.0 if logmel.log_base is None else 1 / math.log(logmel.log_base)
        # The window stands in the middle of the points; the rest of them is unread.
        self.before = (points - self.size) // 2
        window = torch.ones(self.size, dtype=torch.float64)
        if stft.window is not None:
            make = getattr(torch, f"{stft.window}_window")
            window = make(self.size, dtype=torch.float64)
        used = (logmel.melmat != 0).any(dim=1).nonzero()
        first, last = int(used[0]), int(used[-1])
        bins = torch.arange(first, last + 1, dtype=torch.float64)
        self._constant("mel", logmel.melmat[first : last + 1])
        self.middle = self.size // 2
        self.folds = (
            self.size % 2 == 0
            and float(window[0].abs()) < 1e-12
            and torch.allclose(window[1:], window[1:].flip(0))
        )
        start = self.middle if self.folds else 0
        # The phase of a frame does not matter for its power.
        steps = torch.arange(self.size - start, dtype=torch.float64)
        angles = 2 * math.pi / points * steps[:, None] * bins
        gain = 1 / math.sqrt(points) if stft.normalized else 1.0
        weights = gain * window[start:, None]
        if self.folds:
            weights[0] /= 2  # The middle meets itself.
        self._constant("cosines", weights * angles.cos())
        self._constant("sines", weights * angles.sin())

    def _constant(self, name: str, values: torch.Tensor) -> None:
        # Not persistent: such constants are never quantised.
        self.register_buffer(name, values.float().contiguous(), persistent=False)

    def least_samples(self, frames: int) -> int:
        """Return how many samples give ``frames`` frames at least."""
        least = max(1, (frames - 1) * self.hop + self.points - 2 * self.pad)
        return max(least, self.pad + 1)

    def forward(
        self, samples: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute features.

        Args:
            samples: ``(batch, samples)``.
            lengths: ``(batch,)``, each at least :meth:`least_samples` of one frame.

        Returns:
            ``(batch, frames, mels)``, and the valid frames ``(batch,)``.
        """
        if self.pad:
            samples = mirror_ends(samples, lengths, self.pad, self.pad, skip=1)
        counts = lengths + (2 * self.pad - self.points)
        counts = torch.div(counts, self.hop, rounding_mode="floor") + 1
        end = samples.size(1) - (self.points - self.size - self.before)
        frames = frames_of(samples[:, self.before : end], self.size, self.hop)
        if self.folds:
            right = frames[..., self.middle :]
            left = frames[..., 1 : self.middle + 1].flip(-1)
            real = (right + left) @ self.cosines
            imaginary = (right - left) @ self.sines
        else:
            real, imaginary = frames @ self.cosines, frames @ self.sines
        power = real * real + imaginary * imaginary
        return (power @ self.mel).clamp(min=_FLOOR).log() * self.scale, counts
