"""One chunk of a streaming encoder in a form that ONNX runtimes compute fast.

The weights are those of :mod:`espnet_plugin.dual_mode`, rearranged: one product
computes queries, keys and values, scales are folded into weights, positions are
constants, and there is no batch axis, so that runtimes see plain matrix products. The
states of all layers are columns of one matrix with a row for each frame, so that one
operation removes the oldest rows and one appends the new ones for all layers.
"""

import copy
import math
from typing import Optional

import torch
from torch import nn

from espnet_plugin.dual_mode.chunking import Chunking
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.layer import ConformerLayer, FeedForward
from espnet_plugin.dual_mode.subsampling import Subsampling

__all__ = ["ChunkLayers", "SubsampledFrames"]


class SubsampledFrames(nn.Module):
    """The convolutions at the input with time as the last axis.

    So the last linear map reads what the convolutions write without moving it first.

    Args:
        embed: The encoder's sub-sampling; not changed.
        scale: Factor that the output is multiplied by.
    """

    def __init__(self, embed: Subsampling, scale: float):
        super().__init__()
        self.conv = copy.deepcopy(embed.conv)
        for layer in self.conv:
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.transpose(2, 3).contiguous()
        self.weight = nn.Parameter(embed.out.weight.detach() * scale)
        self.bias = nn.Parameter(embed.out.bias.detach() * scale)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map ``(1, frames, features)`` to ``(encoder frames, width)``."""
        x = self.conv(features.transpose(1, 2)[:, None])[0]
        return torch.addmm(self.bias, x.flatten(0, 1).t(), self.weight.t())


class ChunkLayers(nn.Module):
    """The layers of a streaming encoder and its output layer, for one chunk.

    Args:
        encoder: Without masks; in eval mode. Not changed.
        output: The CTC layer's linear map.
        chunking: Chunk, left context and look-ahead in encoder frames.

    Attributes:
        left: Frames before a chunk whose keys and values are remembered.
        attention: Columns of that cache: each layer's keys, then its values.
        reach: Frames before a chunk that the convolutions read.
        convolution: Columns of that cache: each layer's channels.
    """

    def __init__(
        self,
        encoder: DualModeConformerEncoder,
        output: nn.Linear,
        chunking: Chunking,
    ):
        super().__init__()
        self.chunk, self.left, self.ahead = chunking
        last = len(encoder.encoders) - 1
        with torch.no_grad():
            codes = encoder.chunk_codes(chunking, encoder.after_norm.weight)
            self.layers = nn.ModuleList(
                _Layer(layer, codes, chunking, index == last and self.ahead > 0)
                for index, layer in enumerate(encoder.encoders)
            )
        self.norm, self.output = encoder.after_norm, output
        self.attention = [
            size for layer in self.layers for size in 2 * [layer.attention.inner]
        ]
        self.reach = encoder.encoders[0].conv_module.reach
        self.convolution = [layer.convolution.channels for layer in self.layers]

    def forward(
        self,
        x: torch.Tensor,
        hidden: torch.Tensor,
        attention: torch.Tensor,
        convolution: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Encode a chunk.

        Args:
            x: ``(chunk + look-ahead, width)``, sub-sampled and scaled.
            hidden: ``(left + chunk + look-ahead,)``: added to the scores of each key; 0
                where there is a frame, a large negative number where there is none.
            attention: ``(left, sum of self.attention)``.
            convolution: ``(reach, sum of self.convolution)``.

        Returns:
            Log-probabilities ``(chunk, tokens)``, and the caches after the chunk.
        """
        kept, made = attention.split(self.attention, 1), []
        mixed, gated = convolution.split(self.convolution, 1), []
        for number, layer in enumerate(self.layers):
            cache = kept[2 * number : 2 * number + 2]
            x, new, inputs = layer(x, hidden, cache, mixed[number])
            made += new
            gated.append(inputs[: self.chunk] if self.ahead else inputs)
        return (
            self.output(self.norm(x)).log_softmax(-1),
            _moved(attention, torch.cat(made, 1), self.chunk),
            _moved(convolution, torch.cat(gated, 1), self.chunk),
        )


def _moved(cache: torch.Tensor, new: torch.Tensor, chunk: int) -> torch.Tensor:
    """Return the last ``len(cache)`` rows of ``cache`` and ``new[:chunk]``."""
    kept = cache.shape[0] - chunk
    if kept <= 0:
        return new[-kept:chunk]
    return torch.cat([cache[chunk:], new[:chunk]])


class _Layer(nn.Module):
    """A :class:`ConformerLayer` without its batch axis.

    Args:
        layer: The layer to rearrange.
        codes: Position codes of the distances, ``(distances, width)``.
        chunking: Chunk, left context and look-ahead.
        last: Nobody reads what this layer makes of the look-ahead: only its keys and
            values are computed there.
    """

    def __init__(
        self,
        layer: ConformerLayer,
        codes: torch.Tensor,
        chunking: Chunking,
        last: bool,
    ):
        super().__init__()
        self.before: Optional[nn.Module] = None
        scale = 1.0
        if layer.feed_forward_macaron is not None:
            scale = 0.5
            self.before = _feed_forward(
                layer.norm_ff_macaron, layer.feed_forward_macaron, scale
            )
        self.norm_attention = layer.norm_mha
        self.attention = _Attention(layer.self_attn, codes, chunking, last)
        self.norm_convolution = layer.norm_conv
        self.convolution = _Convolution(layer.conv_module)
        self.after = _feed_forward(layer.norm_ff, layer.feed_forward, scale)
        self.norm = layer.norm_final
        self.rows = chunking.chunk if last else None

    def forward(self, x, hidden, cache, inputs):
        if self.before is not None:
            x = x + self.before(x)
        out, new = self.attention(self.norm_attention(x), hidden, cache)
        if self.rows is not None:
            x = x[: self.rows]
        x = x + out
        out, gated = self.convolution(self.norm_convolution(x), inputs)
        x = x + out
        return self.norm(x + self.after(x)), new, gated


def _feed_forward(norm: nn.LayerNorm, module: FeedForward, scale: float) -> nn.Module:
    """Return normalisation and both linear maps, the second one scaled."""
    return nn.Sequential(
        norm,
        module.w_1,
        module.activation,
        _linear(module.w_2.weight * scale, module.w_2.bias * scale),
    )


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight = nn.Parameter(weight.detach())
    linear.bias = nn.Parameter(bias.detach())
    return linear


class _Attention(nn.Module):
    """Relative attention of one chunk; keys and values ``(left, inner)`` each."""

    def __init__(self, module, codes: torch.Tensor, chunking: Chunking, last: bool):
        super().__init__()
        chunk, left, ahead = chunking
        own = chunk + ahead
        self.rows, self.keys = chunk if last else own, left + own
        self.heads, self.dim = module.num_heads, module.head_width
        self.inner = self.heads * self.dim
        scale = 1.0 / math.sqrt(self.dim)
        q, k, v = module.linear_q, module.linear_k, module.linear_v
        bias = (q.bias + module.pos_bias_u.flatten()) * scale
        self.project = _linear(
            torch.cat([q.weight * scale, k.weight, v.weight]),
            torch.cat([bias, k.bias, v.bias]),
        )
        positions = module.project_codes(codes[own - self.rows :]).detach()
        positions = positions.unflatten(-1, (self.heads, self.dim)).permute(1, 2, 0)
        self.register_buffer("positions", positions.contiguous())
        # What the other bias of the queries adds to the scores is a constant.
        bias = (module.pos_bias_v - module.pos_bias_u).detach() * scale
        offset = (bias[:, None] @ positions).expand(-1, self.rows, -1)
        self.register_buffer("offset", self._by_key(offset).contiguous())
        self.out = module.linear_out

    def forward(self, x, hidden, cache):
        queries, *new = self.project(x).split(self.inner, 1)
        if len(queries) > self.rows:
            queries = queries[: self.rows]
        keys, values = [torch.cat(pair) for pair in zip(cache, new)]
        # Transposed by one operation each, which runtimes merge into the products.
        queries = self._heads(queries).permute(1, 0, 2)
        scores = queries @ self._heads(keys).permute(1, 2, 0) + (self.offset + hidden)
        scores = scores + self._by_key(queries @ self.positions)
        out = scores.softmax(-1) @ self._heads(values).permute(1, 0, 2)
        return self.out(out.permute(1, 0, 2).flatten(1)), new

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, self.heads, self.dim)

    def _by_key(self, scores: torch.Tensor) -> torch.Tensor:
        """Turn scores by distance into scores by key.

        Of ``n`` queries, query ``a`` and key ``b`` are at place ``n - 1 - a + b`` of
        row ``a``: rows that are one number shorter, from place ``n - 1`` on, begin with
        the first key.
        """
        if self.rows == 1:  # then they are the same
            return scores
        width = self.rows + self.keys - 2
        flat = scores.reshape(self.heads, self.rows * (width + 1))
        begin = self.rows - 1
        flat = flat[:, begin : begin + self.rows * width]
        return flat.reshape(self.heads, self.rows, width)[..., : self.keys]


class _Convolution(nn.Module):
    """Gated causal convolution of one chunk; cache ``(reach, channels)``."""

    def __init__(self, module):
        super().__init__()
        first, last = module.pointwise_conv1, module.pointwise_conv2
        self.first = _linear(first.weight[:, :, 0], first.bias)
        self.last = _linear(last.weight[:, :, 0], last.bias)
        self.channels, taps = module.channels, module.reach + 1
        weight = module.depthwise_conv.weight[:, 0, :taps].detach()
        self.register_buffer("weight", weight.t().contiguous())
        self.register_buffer("bias", module.depthwise_conv.bias.detach())
        self.norm, self.activation = module.norm, module.activation

    def forward(self, x, cache):
        gated = nn.functional.glu(self.first(x), dim=-1)
        whole = torch.cat([cache, gated])
        # Of so few frames, a runtime's convolution takes longer than this.
        windows = torch.arange(len(x))[:, None] + torch.arange(len(self.weight))
        mixed = (whole[windows] * self.weight).sum(1) + self.bias
        return self.last(self.activation(self.norm(mixed))), gated
