"""Self-attention with relative positions, over the whole utterance or by chunks."""

import math
from typing import NamedTuple, Optional

import torch
from torch import nn

from espnet_plugin.dual_mode.groups import Member, StructuredGroups

__all__ = ["RelativeAttention", "position_codes", "with_left"]


def position_codes(
    num_queries: int, left: int, num_keys: int, width: int, like: torch.Tensor
) -> torch.Tensor:
    """Return sines and cosines of all distances from a query back to a key.

    The first key is ``left`` frames before the first query. The codes do not depend on
    the position of a chunk in the utterance, so all chunks share one table.

    - [0] Transformer-XL, 2019, https://arxiv.org/abs/1901.02860, appendix B; the order
      is that of ESPnet's ``RelPositionalEncoding``.

    Args:
        num_queries: Number of frames that attend.
        left: Number of keys before the first query.
        num_keys: Number of frames that are attended to, the ``left`` ones included.
        width: Width of the codes.
        like: A tensor with the device and type of the result.

    Returns:
        ``(num_queries + num_keys - 1, width)``, the largest distance first.
    """
    largest = num_queries - 1 + left
    distance = largest - torch.arange(
        num_queries + num_keys - 1, device=like.device, dtype=torch.float32
    )
    rates = torch.exp(
        torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
        * -(math.log(10000.0) / width)
    )
    angles = distance[:, None] * rates
    codes = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return codes[:, :width].to(like.dtype)


def with_left(
    cache: torch.Tensor, frames: torch.Tensor, chunk: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prepend to each chunk the frames before it.

    Args:
        cache: Frames before the first chunk, ``(batch, left, dim)``.
        frames: ``(batch, chunks, chunk + ahead, dim)``. Only the first ``chunk`` frames
            of each become left context; the look-ahead frames are copies.
        chunk: Number of frames in a chunk.

    Returns:
        ``(batch, chunks, left + chunk + ahead, dim)``, and the cache after the last
        chunk.
    """
    left = cache.shape[1]
    if frames.shape[1] == 1:  # a shortcut for streaming, where calls are frequent
        whole = torch.cat([cache, frames[:, 0]], dim=1)
        return whole[:, None], whole[:, chunk : chunk + left]
    together = torch.cat([cache, frames[:, :, :chunk].flatten(1, 2)], dim=1)
    before = together.unfold(1, left + chunk, chunk).transpose(2, 3)
    after = together[:, together.shape[1] - left :]
    return torch.cat([before, frames[:, :, chunk:]], dim=2), after


class Cache(NamedTuple):
    """Keys and values of the frames left of a chunk, ``(batch, left, heads * dim)``."""

    keys: torch.Tensor
    values: torch.Tensor


class RelativeAttention(nn.Module):
    """Multi-head self-attention; tensors have the same names as in ESPnet.

    - [0] Transformer-XL, 2019, https://arxiv.org/abs/1901.02860, section 3.3

    Args:
        width: Width of the encoder.
        num_heads: Number of attention heads.
        head_width: Width of each head: ``width`` divided by the number of heads before
            any were cut out.
        dropout_rate: Dropout rate of the attention weights.
    """

    def __init__(
        self, width: int, num_heads: int, head_width: int, dropout_rate: float
    ):
        super().__init__()
        self.num_heads, self.head_width = num_heads, head_width
        inner = num_heads * head_width
        self.linear_q = nn.Linear(width, inner)
        self.linear_k = nn.Linear(width, inner)
        self.linear_v = nn.Linear(width, inner)
        self.linear_out = nn.Linear(inner, width)
        self.linear_pos = nn.Linear(width, inner, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(num_heads, head_width))
        self.pos_bias_v = nn.Parameter(torch.empty(num_heads, head_width))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)
        self.dropout = nn.Dropout(dropout_rate)

    def pruning_groups(self) -> list[StructuredGroups]:
        """Return the heads as groups."""
        rows = [f"linear_{part}" for part in ("q", "k", "v")]
        members = [Member(f"{name}.weight", dim=0) for name in rows]
        members += [Member(f"{name}.bias", dim=0, scored=False) for name in rows]
        members.append(Member("linear_pos.weight", dim=0))
        members.append(Member("linear_out.weight", dim=1, reads=True))
        for bias in ("pos_bias_u", "pos_bias_v"):
            members.append(Member(bias, dim=0, scored=False))
        return [StructuredGroups(self, "heads", self.num_heads, members)]

    def forward(
        self, x: torch.Tensor, codes: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        """Attend to every valid frame.

        Args:
            x: ``(batch, frames, width)``.
            codes: ``(2 * frames - 1, width)``, see :func:`position_codes`.
            valid: ``(batch, frames)``, False where there is padding.

        Returns:
            ``(batch, frames, width)``.
        """
        return self._attend(
            self.linear_q(x),
            self.linear_k(x),
            self.linear_v(x),
            self.project_codes(codes),
            valid,
        )

    def forward_chunks(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        valid: Optional[torch.Tensor],
        cache: Cache,
        chunk: int,
    ) -> tuple[torch.Tensor, Cache]:
        """Attend in each chunk to its own frames, the look-ahead and the left context.

        Args:
            x: ``(batch, chunks, chunk + ahead, width)``.
            positions: ``(2 * (chunk + ahead) + left - 1, heads * head_width)``, see
                :meth:`project_codes`.
            valid: ``(batch, chunks, left + chunk + ahead)``, False for padding; None if
                there is none.
            cache: Keys and values of the frames before the first chunk.
            chunk: Number of frames in a chunk.

        Returns:
            ``(batch, chunks, chunk + ahead, width)``, and the cache after the last
            chunk.
        """
        keys, next_keys = with_left(cache.keys, self.linear_k(x), chunk)
        values, next_values = with_left(cache.values, self.linear_v(x), chunk)
        out = self._attend(self.linear_q(x), keys, values, positions, valid)
        return out, Cache(next_keys, next_values)

    def project_codes(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the codes projected to keys, ``(distances, heads * head_width)``."""
        return self.linear_pos(codes)

    def empty_cache(self, batch: int, left: int, like: torch.Tensor) -> Cache:
        """Return the cache before the first frame."""
        zeros = like.new_zeros(batch, left, self.num_heads * self.head_width)
        return Cache(zeros, zeros)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """Turn ``(..., frames, heads * dim)`` into ``(..., heads, frames, dim)``."""
        return x.unflatten(-1, (self.num_heads, self.head_width)).transpose(-3, -2)

    def _attend(self, queries, keys, values, positions, valid) -> torch.Tensor:
        queries = queries.unflatten(-1, (self.num_heads, self.head_width))
        by_content = (queries + self.pos_bias_u).transpose(-3, -2)
        by_position = (queries + self.pos_bias_v).transpose(-3, -2)
        scores = by_content @ self._heads(keys).transpose(-2, -1)
        positions = self._heads(positions)
        if scores.shape[:-3].numel() == 1:
            distances = by_position @ positions.transpose(-2, -1)
        else:  # @ would copy the positions for every chunk
            distances = torch.einsum("...hqd,hpd->...hqp", by_position, positions)
        scores = scores + _shift(distances, scores.shape[-1])
        scores = scores / math.sqrt(self.head_width)
        if valid is None:
            weights = scores.softmax(-1)
        else:
            hidden = ~valid[..., None, None, :]
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
            # The second fill is for rows without any valid key (chunks of padding).
            weights = scores.softmax(-1).masked_fill(hidden, 0.0)
        return self.linear_out(
            (self.dropout(weights) @ self._heads(values)).transpose(-3, -2).flatten(-2)
        )


def _shift(scores: torch.Tensor, num_keys: int) -> torch.Tensor:
    """Convert scores by distance into scores by key.

    Query ``a`` and key ``b`` have index ``num_queries - 1 - a + b`` in the distances.
    With a zero before each row, a reshape shifts each row by one more than the previous
    one.

    Args:
        scores: ``(..., queries, queries + keys - 1)``.

    Returns:
        ``(..., queries, keys)``.
    """
    *lead, queries, distances = scores.shape
    padded = nn.functional.pad(scores, (1, 0)).reshape(*lead, distances + 1, queries)
    return padded[..., 1:, :].reshape(*lead, queries, distances)[..., :num_keys]
