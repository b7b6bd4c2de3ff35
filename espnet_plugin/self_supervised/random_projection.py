"""The random-projection quantiser of BEST-RQ: drawn once, never trained.

Plain torch.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.errors import UserError

__all__ = ["RandomProjectionQuantiser", "check_codebooks"]

# Number of vectors whose distances to all codes are in memory at the same time.
_AT_ONCE = 4096


def check_codebooks(codebooks: int, entries: int, code_size: int, seed: int) -> None:
    """Check the sizes of codebooks; see :class:`RandomProjectionQuantiser`.

    Raises:
        UserError: If a number is out of range; the message begins with its name.
    """
    for name, value in (("codebooks", codebooks), ("code_size", code_size)):
        if value < 1:
            raise UserError(f"{name} {value}: must be at least 1")
    if entries < 2:
        raise UserError(
            f"entries {entries}: must be at least 2, otherwise there is nothing to "
            "predict"
        )
    if not 0 <= seed < 2**63:
        raise UserError(f"seed {seed}: must be from 0 to {2**63 - 1}")


class RandomProjectionQuantiser(nn.Module):
    """Project a vector randomly, and return the index of the nearest code.

    The projection has Xavier's uniform initialisation. A code is a standard normal
    vector divided by its l2 norm. The nearest code has the smallest l2 distance to the
    projected vector divided by its norm. Projections and codes are buffers: they are in
    every checkpoint but are not trained. They only depend on the seed, not on torch's
    random state.

    - [0] BEST-RQ, 2022, https://arxiv.org/abs/2202.01855, section 3.1

    Args:
        input_size: Width of the vectors that are quantised.
        codebooks: Number of codebooks, each with its own projection.
        entries: Number of codes in each codebook.
        code_size: Width of a code.
        seed: Seed of projections and codes.

    Attributes:
        projections: ``(codebooks, input_size, code_size)``.
        codes: ``(codebooks, entries, code_size)``.

    Raises:
        UserError: If a number is out of range.
    """

    def __init__(
        self,
        input_size: int,
        codebooks: int = 1,
        entries: int = 8192,
        code_size: int = 16,
        seed: int = 0,
    ):
        super().__init__()
        check_codebooks(codebooks, entries, code_size, seed)
        if input_size < 1:
            raise UserError(f"input_size {input_size}: must be at least 1")
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.rand(codebooks, input_size, code_size, generator=generator)
        limit = math.sqrt(6.0 / (input_size + code_size))
        codes = torch.randn(codebooks, entries, code_size, generator=generator)
        self.register_buffer("projections", (2.0 * drawn - 1.0) * limit)
        self.register_buffer("codes", F.normalize(codes, dim=-1))

    @property
    def input_size(self) -> int:
        """Width of the vectors that are quantised."""
        return self.projections.shape[1]

    @property
    def entries(self) -> int:
        """Number of codes in each codebook."""
        return self.codes.shape[1]

    @torch.no_grad()
    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the indices of the nearest codes; ties are resolved arbitrarily.

        Args:
            vectors: ``(..., input_size)``, normalised: features of zero mean and a
                standard deviation of 1, otherwise few of the codes are used.

        Returns:
            ``(..., codebooks)``, whole numbers from 0 to ``entries - 1``.
        """
        # Not in half precision, which would give different codes.
        with torch.autocast(vectors.device.type, enabled=False):
            flat = vectors.reshape(-1, self.input_size).to(self.projections.dtype)
            projected = torch.einsum("nf,bfc->bnc", flat, self.projections)
            directions = F.normalize(projected, dim=-1)
            # |v - c|^2 is 2 - 2 v.c for vectors of norm 1.
            numbers = [
                (part @ self.codes.transpose(1, 2)).argmax(-1)
                for part in directions.split(_AT_ONCE, dim=1)
            ]
        found = torch.cat(numbers, dim=1).T
        return found.reshape(*vectors.shape[:-1], len(self.codes))
