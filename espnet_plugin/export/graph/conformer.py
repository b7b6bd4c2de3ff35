"""ESPnet's Conformer as a graph that runtimes compute fast.

Frames of all utterances are rows of one matrix, so that each linear map with its bias
is one operation. Scales and batch normalisation are folded into weights.
"""

import copy
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import nn

from espnet_plugin.export.graph.attention import FactoredAttention, FactoredPositions
from espnet_plugin.export.graph.known_lengths import (
    after_convolutions,
    has_known_lengths,
    time_steps,
)
from espnet_plugin.export.graph.layers import as_linear, normalises
from espnet_plugin.export.graph.operators import (
    channels_of_frames,
    reshaped,
    reshaped_like,
)
from espnet_plugin.export.graph.positions import computed_positions
from espnet_plugin.tensors.frames import frame_mask

__all__ = ["LeanConformer", "is_lean"]

# Added to the scores of keys that are padding.
_HIDDEN = -1e9


def is_lean(encoder: nn.Module) -> bool:
    """Return whether :class:`LeanConformer` can replace an encoder of ESPnet."""
    if type(encoder).__name__ != "ConformerEncoder" or not encoder.normalize_before:
        return False
    embed = encoder.embed
    if not has_known_lengths(embed):
        return False
    positions = type(getattr(embed, "pos_enc", None)).__name__
    return positions in _ATTENTIONS and all(
        _is_lean_layer(layer, _ATTENTIONS[positions]) for layer in encoder.encoders
    )


_FACTORED = "RelPositionMultiHeadedAttention"
# Class of the attention for each class of position encoding.
_ATTENTIONS = {
    "RelPositionalEncoding": _FACTORED,
    "LegacyRelPositionalEncoding": "LegacyRelPositionMultiHeadedAttention",
    "PositionalEncoding": "MultiHeadedAttention",
}


def _is_lean_layer(layer: nn.Module, attention: str) -> bool:
    parts = [layer.feed_forward, layer.feed_forward_macaron]
    return (
        type(layer).__name__ == "EncoderLayer"
        and layer.normalize_before
        and not layer.concat_after
        and type(layer.self_attn).__name__ == attention
        and not getattr(layer.self_attn, "zero_triu", False)
        and not (attention == _FACTORED and normalises(layer.self_attn))
        and all(
            type(p).__name__ in ("PositionwiseFeedForward", "NoneType") for p in parts
        )
        and (
            layer.conv_module is None
            or type(layer.conv_module).__name__ == "ConvolutionModule"
            and isinstance(layer.conv_module.norm, nn.BatchNorm1d)
            and layer._conv_takes_mask
        )
    )


class LeanConformer(nn.Module):
    """Computes the same as ESPnet's :class:`ConformerEncoder`.

    Args:
        stock: The encoder, in evaluation mode; :func:`is_lean`.
        ctc: The CTC layer for self-conditioning of intermediate layers, or None.
    """

    def __init__(self, stock: nn.Module, ctc: Optional[nn.Module]):
        super().__init__()
        self.embed = _Subsampling(stock.embed)
        layers = [_Layer(layer) for layer in stock.encoders]
        self.encoders = nn.ModuleList(layers)
        self.after_norm = copy.deepcopy(stock.after_norm)
        self.factors: Optional[nn.Module] = None
        if layers[0].factored:
            first = layers[0].self_attn
            self.factors = FactoredPositions(first.width, first.size)
        self.conditioned = tuple(stock.interctc_layer_idx) if ctc is not None else ()
        if self.conditioned:
            self.conditioning_layer = copy.deepcopy(stock.conditioning_layer)
            self.ctc_lo = ctc.ctc_lo

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode ``(batch, frames, dim)`` with ``lengths`` ``(batch,)``.

        Returns:
            ``(batch, encoder frames, width)`` and the valid ones ``(batch,)``.
        """
        x, positions, lengths = self.embed(feats, lengths)
        valid = frame_mask(lengths, x.size(1))
        width = self.embed.out.out_features
        if self.factors is not None:
            hidden = torch.where(valid, 0.0, _HIDDEN)[:, None, None]
            positions = self.factors(x.size(1), hidden)
        context = _Context(x, positions, valid, width)
        rows = reshaped(x, (-1, width))
        for number, layer in enumerate(self.encoders, 1):
            rows = layer(rows, context)
            if number in self.conditioned:
                heard = self.ctc_lo(self.after_norm(rows)).softmax(-1)
                rows = rows + self.conditioning_layer(heard)
        return reshaped_like(self.after_norm(rows), x, (width,)), lengths


class _Context:
    """Input that all layers share: sizes, positions and masks.

    Args:
        like: ``(batch, frames, width)``.
        positions: Replacement of ESPnet's encodings; None if they are in the input.
        valid: ``(batch, frames)``, true on valid frames.
        width: See ``like``; as a number, which is a constant of the graph.
    """

    def __init__(
        self, like: torch.Tensor, positions: Any, valid: torch.Tensor, width: int
    ):
        self.like, self.positions, self.width = like, positions, width
        self.mask = valid[:, None]
        self.kept = reshaped(valid.to(like), (-1, 1))


class _Subsampling(nn.Module):
    """The convolutions at the input, the linear map after them, and ESPnet's positions.

    With factored attention there are no position encodings. Time is the last axis of
    the convolutions, because runtimes vectorise along the last axis and there are only
    a few frequencies.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.conv = copy.deepcopy(stock.conv)
        self.steps = time_steps(stock)
        convolutions = (layer for layer in self.conv if isinstance(layer, nn.Conv2d))
        for conv in convolutions:  # Kernels and strides are square.
            conv.weight.data = conv.weight.data.transpose(2, 3).contiguous()
        # ESPnet's positions multiply their input by the root of the width.
        width = stock.out.out_features
        self.out = copy.deepcopy(stock.out)
        self.out.weight.data *= width**0.5
        self.out.bias.data *= width**0.5
        self.pos_enc: Optional[nn.Module] = None
        if type(stock.pos_enc).__name__ != "RelPositionalEncoding":
            self.pos_enc = computed_positions(stock.pos_enc)
            self.pos_enc.scale = 1.0

    def forward(
        self, feats: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, Any, torch.Tensor]:
        x = self.conv(feats.transpose(1, 2)[:, None])
        x = self.out(channels_of_frames(x))
        lengths = after_convolutions(lengths, self.steps)
        if self.pos_enc is None:
            return x, None, lengths
        x = self.pos_enc(x)
        return (*x, lengths) if isinstance(x, tuple) else (x, None, lengths)


class _Layer(nn.Module):
    """One layer; each module is left out if ESPnet's has none."""

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.feed_forward_macaron: Optional[nn.Module] = None
        scale = 1.0
        if stock.feed_forward_macaron is not None:
            scale = 0.5
            self.norm_ff_macaron = copy.deepcopy(stock.norm_ff_macaron)
            self.feed_forward_macaron = _FeedForward(stock.feed_forward_macaron, scale)
        self.norm_mha = copy.deepcopy(stock.norm_mha)
        self.factored = type(stock.self_attn).__name__ == _FACTORED
        self.self_attn = (
            FactoredAttention(stock.self_attn)
            if self.factored
            else copy.deepcopy(stock.self_attn)
        )
        self.conv_module: Optional[nn.Module] = None
        if stock.conv_module is not None:
            self.norm_conv = copy.deepcopy(stock.norm_conv)
            self.conv_module = _Convolution(stock.conv_module)
            self.norm_final = copy.deepcopy(stock.norm_final)
        self.norm_ff = copy.deepcopy(stock.norm_ff)
        self.feed_forward = _FeedForward(stock.feed_forward, scale)

    def forward(self, rows: torch.Tensor, context: _Context) -> torch.Tensor:
        if self.feed_forward_macaron is not None:
            rows = rows + self.feed_forward_macaron(self.norm_ff_macaron(rows))
        rows = rows + self._attend(self.norm_mha(rows), context)
        if self.conv_module is not None:
            rows = rows + self.conv_module(
                self.norm_conv(rows), context.like, context.kept
            )
        rows = rows + self.feed_forward(self.norm_ff(rows))
        return rows if self.conv_module is None else self.norm_final(rows)

    def _attend(self, rows: torch.Tensor, context: _Context) -> torch.Tensor:
        if self.factored:
            return self.self_attn(rows, context.like, context.positions)
        x = reshaped_like(rows, context.like, (context.width,))
        given = [] if context.positions is None else [context.positions]
        return reshaped(
            self.self_attn(x, x, x, *given, context.mask), (-1, context.width)
        )


class _FeedForward(nn.Module):
    """ESPnet's ``PositionwiseFeedForward`` times a factor."""

    def __init__(self, stock: nn.Module, scale: float):
        super().__init__()
        self.w_1, self.w_2 = copy.deepcopy(stock.w_1), copy.deepcopy(stock.w_2)
        self.w_2.weight.data *= scale
        self.w_2.bias.data *= scale
        self.activation = copy.deepcopy(stock.activation)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.w_2(self.activation(self.w_1(rows)))


class _Convolution(nn.Module):
    """ESPnet's ``ConvolutionModule`` with its normalisation folded in.

    The point-wise convolutions are matrix products, which can be quantised. The other
    one is in two dimensions, because runtimes have a faster one there.
    """

    def __init__(self, stock: nn.Module):
        super().__init__()
        self.expand = as_linear(stock.pointwise_conv1)
        self.project = as_linear(stock.pointwise_conv2)
        fused = nn.utils.fuse_conv_bn_eval(
            copy.deepcopy(stock.depthwise_conv).eval(), stock.norm.eval()
        )
        self.channels = fused.out_channels
        self.depthwise = nn.Conv2d(
            self.channels,
            self.channels,
            (fused.kernel_size[0], 1),
            padding=(fused.padding[0], 0),
            groups=self.channels,
        )
        self.depthwise.weight.data = fused.weight.data[..., None]
        self.depthwise.bias.data = fused.bias.data
        self.activation = copy.deepcopy(stock.activation)

    def forward(
        self, rows: torch.Tensor, like: torch.Tensor, kept: torch.Tensor
    ) -> torch.Tensor:
        x = F.glu(self.expand(rows), dim=-1) * kept
        x = reshaped_like(x, like, (1, self.channels)).permute(0, 3, 1, 2)
        x = self.depthwise(x).permute(0, 2, 3, 1)
        x = self.activation(reshaped(x, (-1, self.channels)))
        return self.project(x)
