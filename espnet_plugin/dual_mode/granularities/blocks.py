"""Blocks of matrices, which are set to zero and not cut out."""

from typing import Iterator, Sequence

import torch
from torch import nn

from espnet_plugin.dual_mode.granularities.registry import granularity
from espnet_plugin.dual_mode.groups import Groups, finish, measure
from espnet_plugin.errors import UserError

__all__ = ["BlockGroups", "find_blocks"]


class BlockGroups(Groups):
    """Blocks of rows x columns of one matrix; 8 x 1 is 8 outputs of one input.

    Blocks at the lower and right edge are smaller if the sizes are not multiples of the
    block. Masked blocks make files smaller; models are faster only with special
    kernels.

    Args:
        module: A module with a ``weight`` of ``(outputs, inputs)`` or ``(outputs,
            inputs, 1)``.
        block: Number of rows and columns.

    Raises:
        UserError: If a size is below 1.
    """

    packs = True

    def __init__(self, module: nn.Module, block: Sequence[int] = (8, 1)):
        self.module = module
        try:
            self.rows, self.columns = (int(size) for size in block)
        except (TypeError, ValueError):
            raise UserError(f"block {block!r}: give rows and columns, as [8, 1]")
        if self.rows < 1 or self.columns < 1:
            raise UserError(f"block {list(block)}: must be at least [1, 1]")
        outputs, inputs = module.weight.shape[:2]
        self.grid = (-(-outputs // self.rows), -(-inputs // self.columns))
        self.count = self.grid[0] * self.grid[1]

    def scores(self, criterion: str) -> torch.Tensor:
        """Return the mean of ``|w|`` or the root mean square of each block.

        Args:
            criterion: A name of ``CRITERIA``.

        Returns:
            ``(count,)``, in row-major order of the blocks.
        """
        weight = self.module.weight.detach().flatten(1)
        number = self._sum(torch.ones_like(weight))
        return finish(self._sum(measure(weight, criterion)), number, criterion)

    def spread(
        self, mask: torch.Tensor, readers: bool = False
    ) -> Iterator[tuple[nn.Module, str, torch.Tensor]]:
        """Yield the module, ``"weight"`` and the mask of the weight, in its shape.

        Args:
            mask: ``(count,)`` of zeros and ones.
            readers: Has no effect, because there is only one parameter.
        """
        shape = self.module.weight.shape
        full = mask.view(self.grid).repeat_interleave(self.rows, 0)[: shape[0]]
        full = full.repeat_interleave(self.columns, 1)[:, : shape[1]]
        yield self.module, "weight", full.reshape(shape)

    def pack(self, matrix: torch.Tensor) -> torch.Tensor:
        """Return a matrix with masked blocks in torch's block compressed row format.

        It has the blocks that are not zero and a 32-bit position for each. A matrix
        whose sizes are not multiples of the block is returned unchanged, because torch
        does not support it.
        """
        block = (self.rows, self.columns)
        if any(size % part for size, part in zip(matrix.shape, block)):
            return matrix
        sparse = matrix.to_sparse_bsr(block, dense_dim=matrix.dim() - 2)
        return torch.sparse_bsr_tensor(
            sparse.crow_indices().int(),
            sparse.col_indices().int(),
            sparse.values(),
            size=matrix.shape,
        )

    def _sum(self, values: torch.Tensor) -> torch.Tensor:
        outputs, inputs = values.shape
        below = self.grid[0] * self.rows - outputs
        beside = self.grid[1] * self.columns - inputs
        values = nn.functional.pad(values, (0, beside, 0, below))
        values = values.view(self.grid[0], self.rows, self.grid[1], self.columns)
        return values.sum((1, 3)).flatten()


@granularity("blocks", alone=True)
def find_blocks(root: nn.Module, block: Sequence[int]) -> Iterator[tuple[str, Groups]]:
    """Find the blocks of every linear layer and point-wise convolution."""
    for name, module in root.named_modules():
        pointwise = isinstance(module, nn.Conv1d) and module.kernel_size == (1,)
        # Neither the front end nor the projection of the position codes.
        other = {"embed", "linear_pos"} & set(name.split("."))
        if (isinstance(module, nn.Linear) or pointwise) and not other:
            yield name, BlockGroups(module, block)
