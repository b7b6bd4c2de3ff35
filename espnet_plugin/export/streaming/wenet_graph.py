"""The chunk as a graph for sherpa-onnx's online ``wenet_ctc`` kind."""

from typing import Optional

import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.export.streaming.chunk_graph import hidden_keys
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.export.streaming.step import ChunkLayers, SubsampledFrames

__all__ = ["WenetGraph"]

_NEVER = -1e4


class WenetGraph(nn.Module):
    """A chunk with the inputs and outputs of WeNet's models, which have a fixed order.

    sherpa-onnx assumes the same number of heads, width and kernel in every layer, and
    passes caches of these shapes from call to call without reading them. So they are
    used as containers here: they hold our own caches one after the other, for layers of
    any size.

    Args:
        source: The model.
        features: Converts the features that the kind computes to the model's before
            normalisation; None: they are the same.
        normalise: The model's normalisation, or None.
        never: Numbers of tokens that must not win.
        silent: Tokens of ``never`` in whose place the blank wins: they are no text,
            and the runtime would print them.
        feature_dim: Numbers per frame that the kind computes.

    Attributes:
        frames: Features that a call takes.

    Raises:
        UserError: If the kind cannot hold such a context.
    """

    inputs = [
        *("x", "offset", "required_cache_size"),
        *("attn_cache", "conv_cache", "attn_mask"),
    ]
    outputs = ["log_probs", "next_attn_cache", "next_conv_cache"]

    def __init__(
        self,
        source: StreamingSource,
        features: Optional[nn.Module],
        normalise: Optional[nn.Module],
        never: tuple[int, ...],
        silent: tuple[int, ...],
        feature_dim: int,
    ):
        super().__init__()
        encoder, self.chunking = source.encoder, source.chunking
        chunk, left, ahead = self.chunking
        if left < chunk or left % chunk:
            raise UserError(
                f"{source.facts.experiment}: left_context_frames {left}: sherpa-onnx "
                f"counts the left context in chunks of {chunk}, at least one; train "
                "with a multiple of that, give another --chunk_frames that divides "
                "it, or use --target onnx"
            )
        embed = encoder.embed
        self.prepare, self.normalise, self.feature_dim = (
            features,
            normalise,
            feature_dim,
        )
        self.subsample = SubsampledFrames(embed, encoder.output_size() ** 0.5)
        self.layers = ChunkLayers(encoder, source.output, self.chunking)
        self.stride, self.blocks = embed.stride, len(encoder.encoders)
        self.right = ahead * embed.stride + embed.span - 1
        self.frames = (chunk - 1) * embed.stride + self.right + 1
        columns, channels = sum(self.layers.attention), sum(self.layers.convolution)
        self.width = -(-columns // (2 * self.blocks))
        self.columns, self.channels = columns, channels
        self.kept = self.layers.reach * channels
        self.kernel = max(1, -(-self.kept // (self.blocks * self.width))) + 1
        tokens = source.output.out_features
        bias = torch.zeros(tokens)
        bias[list(never)] = _NEVER
        self.register_buffer("never", bias)
        self.tokens, self.silent = tokens, list(silent)

    @property
    def metadata(self) -> dict[str, str]:
        """What the kind reads in the file."""
        values = {
            "head": 1,
            "num_blocks": self.blocks,
            "output_size": self.width,
            "cnn_module_kernel": self.kernel,
            "right_context": self.right,
            "subsampling_factor": self.stride,
            "vocab_size": self.tokens,
        }
        return {
            "model_type": "wenet_ctc",
            "chunk_size": str(self.chunking.chunk),
            "num_left_chunks": str(self.chunking.left // self.chunking.chunk),
            **{name: str(value) for name, value in values.items()},
        }

    def example(self) -> tuple[torch.Tensor, ...]:
        """Return inputs to trace the module with."""
        chunk, left, _ = self.chunking
        return (
            torch.randn(1, self.frames, self.feature_dim),
            torch.tensor([left]),
            torch.tensor([left]),
            torch.randn(self.blocks, 1, left, 2 * self.width),
            torch.randn(self.blocks, 1, self.width, self.kernel - 1),
            torch.ones(1, 1, left + chunk, dtype=torch.bool),
        )

    def forward(self, x, offset, required, attention, convolution, mask):
        """Encode a chunk.

        Args:
            x: ``(1, self.frames, feature_dim)``.
            offset: ``(1,)``: not needed, as positions are relative.
            required: ``(1,)``: not needed, the size of the cache is that of the model.
            attention: A container, ``(blocks, 1, left, 2 * width)``.
            convolution: A container, ``(blocks, 1, width, kernel - 1)``.
            mask: ``(1, 1, left + chunk)``, False where there is no frame.

        Returns:
            ``(1, chunk, tokens)``, and the containers for the next call.
        """
        chunk, left, ahead = self.chunking
        if self.prepare is not None:
            x = self.prepare(x)
        if self.normalise is not None:
            x = self.normalise(x, offset)
        own = torch.ones(chunk + ahead, dtype=torch.bool)
        valid = torch.cat([mask[0, 0, :left], own])
        kept = attention.reshape(-1)[: left * self.columns]
        mixed = convolution.reshape(-1)[: self.kept]
        log_probs, kept, mixed = self.layers(
            self.subsample(x),
            hidden_keys(valid),
            kept.reshape(left, self.columns),
            mixed.reshape(self.layers.reach, self.channels),
        )
        # An input that nothing reads would be left out of the graph.
        unread = 0.0 * (offset + required).to(log_probs.dtype)
        blank = log_probs[:, [0, *self.silent]].amax(1, keepdim=True)
        log_probs = torch.cat([blank, (log_probs + self.never)[:, 1:]], dim=1)
        log_probs = (log_probs + unread[:, None])[None]
        return log_probs, _contained(kept, attention), _contained(mixed, convolution)


def _contained(rows: torch.Tensor, container: torch.Tensor) -> torch.Tensor:
    """Return the rows in a tensor of the container's shape."""
    flat = rows.reshape(-1)
    room = container.numel() - flat.numel()
    return nn.functional.pad(flat, (0, room)).reshape(container.shape)
