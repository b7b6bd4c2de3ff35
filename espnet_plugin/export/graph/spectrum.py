"""The power spectrum of overlapping frames with few and small matrix products."""

import math

import torch
from torch import nn

from espnet_plugin.export.graph.operators import grouped_convolution, reshaped

__all__ = ["PowerSpectrum"]

# More parts make the first product smaller and the second one larger.
_MOST_PARTS = 16


class PowerSpectrum(nn.Module):
    """Computes weighted sums of the power spectrum for each frame of audio.

    The Fourier transform of size ``points`` is split into ``parts`` transforms of size
    ``points / parts``, each of every ``parts``-th sample, and a second transform of
    size ``parts`` over their results (Cooley and Tukey). The first, with the window and
    the twiddle factors, is a grouped convolution with stride ``hop`` and ``parts``
    groups; the second is a matrix product. As the audio is real, half of the
    frequencies of the first are enough.

    Args:
        window: ``(size,)``, float64; ``size`` is at most ``points``.
        hop: Samples from one frame to the next.
        points: Number of points of the transform.
        weights: Weight of each frequency in each sum, ``(points // 2 + 1, sums)``.
    """

    def __init__(
        self, window: torch.Tensor, hop: int, points: int, weights: torch.Tensor
    ):
        super().__init__()
        size = len(window)
        parts = math.gcd(_MOST_PARTS, math.gcd(hop, points))
        each = points // parts
        self.hop, self.parts, self.half = hop, parts, each // 2 + 1
        hops = -(-size // hop)
        # Sample parts * a + b of a frame; frequency c + each * d.
        samples = torch.arange(hops * hop)
        a, b = samples[:, None] // parts, samples[:, None] % parts
        c = torch.arange(self.half)
        turns = (b * c % points).double() / points + (a * c % each).double() / each
        padded = torch.zeros(hops * hop, 1, dtype=torch.float64)
        padded[:size, 0] = window
        angles = 2 * math.pi * turns
        first = torch.stack([padded * angles.cos(), -padded * angles.sin()])
        first = first.view(2, hops, hop // parts, parts, self.half)
        first = first.permute(3, 0, 4, 2, 1).reshape(-1, hop // parts, hops)
        self._constant("first", first)
        d = torch.arange(parts)
        angles = 2 * math.pi * (d[:, None] * d % parts).double() / parts
        cosines, sines = angles.cos(), angles.sin()
        # Rows: real parts by d, then imaginary ones; columns: the same of each b.
        real = torch.stack([cosines, sines], -1).flatten(1)
        imaginary = torch.stack([-sines, cosines], -1).flatten(1)
        self._constant("real", real)
        self._constant("imaginary", imaginary)
        chosen = torch.zeros(parts, self.half, weights.size(1), dtype=torch.float64)
        for frequency, weight in enumerate(weights.double()):
            if frequency % each >= self.half:
                frequency = points - frequency  # Of the same power.
            chosen[frequency // each, frequency % each] += weight
        self._constant("weights", chosen.flatten(0, 1).t())

    def _constant(self, name: str, values: torch.Tensor) -> None:
        # Not persistent: such constants are never quantised.
        self.register_buffer(name, values.float().contiguous(), persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Map ``(batch, blocks * hop)`` to ``(batch, sums, frames)``."""
        parts, hop = self.parts, self.hop
        x = reshaped(samples, (0, -1, hop)).transpose(1, 2)
        if parts > 1:
            x = reshaped(x, (0, hop // parts, parts, -1)).transpose(1, 2)
            x = reshaped(x, (0, hop, -1))
        x = grouped_convolution(x, self.first, parts)
        # The second product knows nothing of c, so that all c and frames are one axis.
        x = reshaped(x, (0, 2 * parts, -1))
        real, imaginary = self.real @ x, self.imaginary @ x
        power = real * real + imaginary * imaginary
        return self.weights @ reshaped(power, (0, parts * self.half, -1))
