"""A Conformer with a full-context and a streaming mode that share weights."""

from contextlib import ExitStack, contextmanager
from typing import Any, Iterator, Mapping, Optional, Sequence, Union

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import nn

from espnet_plugin.dual_mode.attention import position_codes
from espnet_plugin.dual_mode.chunking import (
    Chunking,
    ChunkSizes,
    chunk_codes,
    encode_chunks,
)
from espnet_plugin.dual_mode.layer import ConformerLayer
from espnet_plugin.dual_mode.masks import SelfPruner
from espnet_plugin.dual_mode.options import ACTIVATIONS, MODES, layer_sizes
from espnet_plugin.dual_mode.subsampling import Latency, Subsampling, too_short
from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options

__all__ = ["DualModeConformerEncoder"]

Sizes = Union[int, Sequence[int]]


class DualModeConformerEncoder(AbsEncoder):
    """One Conformer, two modes.

    ``full``: attention over the whole utterance, symmetric convolution, dense weights.
    ``streaming``: attention to the chunk, a limited left context and a limited
    look-ahead; causal convolution with the left half and the centre of the same kernel;
    masked weights, if there is a pruner.

    The look-ahead is that of the whole encoder, independent of the number of layers. In
    every layer the frames after a chunk are computed again for this chunk, and no frame
    of a chunk depends on what a later chunk computes. This is the right context of [2].
    It takes ``(chunk + look_ahead) / chunk`` times the computation without look-ahead.
    The left context grows with the layers, because caches provide it at no cost.

    - [0] Conformer, 2020, https://arxiv.org/abs/2005.08100
    - [1] Dual-mode ASR, 2021, https://arxiv.org/abs/2010.06030: full and streaming mode
      with shared weights.
    - [2] Emformer, 2021, https://arxiv.org/abs/2010.10759: right context.

    Args:
        input_size: Number of features per frame.
        output_size: Width of the encoder.
        attention_heads: Number of attention heads: one number, or a list with one for
            each layer. The same holds for ``linear_units``, ``macaron_units`` and
            ``conv_channels``.
        linear_units: Units of the feed-forward modules.
        num_blocks: Number of layers.
        dropout_rate: Dropout rate after every module and of the units.
        positional_dropout_rate: Dropout rate of the first layer's input and of the
            positions.
        attention_dropout_rate: Dropout rate of the attention weights.
        input_layer: ``conv2d``, ``conv2d6`` or ``conv2d8``, which sub-sample frames by
            4, 6 or 8.
        macaron_style: Whether each layer has two feed-forward modules with weight 0.5.
        activation_type: ``swish``, ``relu`` or ``gelu``.
        cnn_module_kernel: Kernel size of the convolution modules in frames, odd.
        chunk_frames: Encoder frames in a chunk. Of several sizes, training draws one in
            each call; otherwise the first is used.
        left_context_frames: Encoder frames before a chunk that it attends to.
        look_ahead_frames: Encoder frames after a chunk that it attends to; at most the
            smallest chunk.
        mode: Default mode, ``full`` or ``streaming``.
        pruning: Options of :class:`~espnet_plugin.dual_mode.masks.SelfPruner`; None: no
            masks.
        conv_channels: Channels of the convolution modules; None: the encoder's width.
        macaron_units: Units of the first feed-forward modules; None: ``linear_units``.
        head_width: Width of each head; None: the encoder's width divided by the heads.
        front_channels: Channels of each convolution of ``input_layer``; None: the
            encoder's width.
        streaming_only: Whether only the causal part of the kernels is kept; then mode
            ``full`` is refused.

    Attributes:
        mode: The default mode, which may be changed; see also :meth:`using`.
        sparse: Whether masked weights are used; None: in streaming mode only.
        pruner: The masks, or None.
        options: The arguments above, as given: ``encoder_conf`` and ``input_size``.

    Raises:
        UserError: If an option is out of range.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 256,
        attention_heads: Sizes = 4,
        linear_units: Sizes = 2048,
        num_blocks: int = 6,
        dropout_rate: float = 0.1,
        positional_dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.0,
        input_layer: str = "conv2d",
        macaron_style: bool = False,
        activation_type: str = "swish",
        cnn_module_kernel: int = 31,
        chunk_frames: Sizes = 16,
        left_context_frames: int = 64,
        look_ahead_frames: int = 0,
        mode: str = "full",
        pruning: Optional[Mapping[str, Any]] = None,
        conv_channels: Optional[Sizes] = None,
        macaron_units: Optional[Sizes] = None,
        head_width: Optional[int] = None,
        front_channels: Optional[Sequence[int]] = None,
        streaming_only: bool = False,
    ):
        options = {
            name: value
            for name, value in locals().items()
            if name not in ("self", "__class__")
        }
        super().__init__()
        self.options = options
        self._chunks = ChunkSizes(chunk_frames, left_context_frames, look_ahead_frames)
        if cnn_module_kernel < 1 or cnn_module_kernel % 2 == 0:
            raise UserError(
                f"cnn_module_kernel {cnn_module_kernel}: must be odd, so that the "
                "kernel has a centre"
            )
        if activation_type not in ACTIVATIONS:
            raise UserError(
                f"activation_type {activation_type!r}: must be one of "
                f"{', '.join(ACTIVATIONS)}"
            )
        sizes, head_width = layer_sizes(
            num_blocks,
            output_size,
            attention_heads,
            head_width,
            linear_units,
            macaron_units,
            conv_channels,
        )
        self._output_size, self._streaming_only = output_size, streaming_only
        self.embed = Subsampling(input_size, output_size, input_layer, front_channels)
        self.position_dropout = nn.Dropout(positional_dropout_rate)
        self.encoders = nn.ModuleList(
            ConformerLayer(
                output_size,
                size,
                head_width,
                cnn_module_kernel,
                dropout_rate,
                attention_dropout_rate,
                ACTIVATIONS[activation_type](),
                macaron_style,
                streaming_only,
            )
            for size in sizes
        )
        self.after_norm = nn.LayerNorm(output_size, eps=1e-12)
        self.mode = self._check_mode(mode)
        self.sparse: Optional[bool] = None
        self.pruner: Optional[SelfPruner] = None
        if pruning is not None:
            self.pruner = read_options(SelfPruner, pruning, "pruning", root=self)

    def output_size(self) -> int:
        """Width of the encoding."""
        return self._output_size

    @property
    def one_front_end(self) -> bool:
        """Whether both modes sub-sample alike, so that once is enough for both."""
        return self.pruner is None or not self.pruner.masks_front_end

    @contextmanager
    def using(
        self,
        mode: str,
        sparse: Optional[bool] = None,
        chunk_frames: Optional[int] = None,
    ) -> Iterator["DualModeConformerEncoder"]:
        """Choose how every call inside works, for callers that cannot pass it on.

        ESPnet's models call ``encoder(features, lengths)``, so this is how a training
        step asks for both modes.

        Args:
            mode: ``full`` or ``streaming``.
            sparse: Whether masked weights are used; in streaming mode only, if None.
            chunk_frames: Encoder frames in a chunk, instead of those of the options.

        Raises:
            UserError: If the mode or the chunk is impossible, or ``sparse`` is wanted
                where there are no masks.
        """
        before = self.mode, self.sparse, self._chunks.chosen
        if chunk_frames is not None:
            self._chunks.check(chunk_frames)
        if sparse and self.pruner is None:
            raise UserError(
                "sparse: this encoder has no masks; give it the option `pruning`"
            )
        self.mode = self._check_mode(mode)
        self.sparse, self._chunks.chosen = sparse, chunk_frames
        try:
            yield self
        finally:
            self.mode, self.sparse, self._chunks.chosen = before

    def forward(
        self,
        xs_pad: torch.Tensor,
        ilens: torch.Tensor,
        prev_states: Optional[torch.Tensor] = None,
        mode: Optional[str] = None,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Encode whole utterances.

        Args:
            xs_pad: ``(batch, frames, input_size)``.
            ilens: ``(batch,)``, feature frames of each.
            prev_states: Not used; ESPnet's signature.
            mode: ``full`` or ``streaming``; that of the attribute if None.

        Returns:
            ``(batch, encoder frames, output_size)``, valid frames ``(batch,)``, None.

        Raises:
            UserError: If the mode is impossible.
            TooShortUttError: ESPnet's, if no utterance makes a frame.
        """
        mode = self.mode if mode is None else self._check_mode(mode)
        with self.weights(mode):
            frames, lengths = self._sub_sample(xs_pad, ilens)
            return self._encode(frames, lengths, mode), lengths, None

    def subsample(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, mode: Optional[str] = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what goes into the layers, for callers that change it on the way.

        ``encode_frames(*subsample(x, lengths))`` is ``forward(x, lengths)``.

        Args:
            xs_pad: ``(batch, frames, input_size)``.
            ilens: ``(batch,)``, feature frames of each.
            mode: The masks may concern the sub-sampling too; as in :meth:`forward`.

        Returns:
            ``(batch, encoder frames, output_size)`` and valid frames ``(batch,)``.

        Raises:
            UserError: If the mode is impossible.
            TooShortUttError: ESPnet's, if no utterance makes a frame.
        """
        mode = self.mode if mode is None else self._check_mode(mode)
        with self.weights(mode):
            return self._sub_sample(xs_pad, ilens)

    def encode_frames(
        self, frames: torch.Tensor, lengths: torch.Tensor, mode: Optional[str] = None
    ) -> torch.Tensor:
        """Run the layers on sub-sampled frames.

        Args:
            frames: ``(batch, encoder frames, output_size)``.
            lengths: ``(batch,)``, valid frames.
            mode: See :meth:`forward`.

        Returns:
            ``(batch, encoder frames, output_size)``.

        Raises:
            UserError: If the mode is impossible.
        """
        mode = self.mode if mode is None else self._check_mode(mode)
        with self.weights(mode):
            return self._encode(frames, lengths, mode)

    def layer_outputs(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, mode: Optional[str] = None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Encode whole utterances and return the output of every layer, in one pass.

        Args:
            xs_pad: ``(batch, frames, input_size)``.
            ilens: ``(batch,)``, feature frames of each.
            mode: See :meth:`forward`.

        Returns:
            For each layer ``(batch, encoder frames, output_size)``, as the next layer
            gets it, in streaming mode without what is ahead of each chunk; and valid
            frames ``(batch,)``.

        Raises:
            UserError: If the mode is impossible.
            TooShortUttError: ESPnet's, if no utterance makes a frame.
        """
        mode = self.mode if mode is None else self._check_mode(mode)
        outputs: list[torch.Tensor] = []
        with self.weights(mode):
            frames, lengths = self._sub_sample(xs_pad, ilens)
            self._encode(frames, lengths, mode, outputs)
        return outputs, lengths

    def _sub_sample(self, xs_pad: torch.Tensor, ilens: torch.Tensor):
        if xs_pad.shape[1] < self.embed.span:
            raise too_short(xs_pad.shape[1], self.embed.span)
        return self.embed(xs_pad), self.embed.frames(ilens.to(xs_pad.device))

    def _encode(
        self,
        frames: torch.Tensor,
        lengths: torch.Tensor,
        mode: str,
        outputs: Optional[list[torch.Tensor]] = None,
    ) -> torch.Tensor:
        """Run the layers; the output of each is appended to ``outputs`` if given."""
        x = self.position_dropout(frames * self._output_size**0.5)
        valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        if mode == "full":
            return self.after_norm(self._full(x, valid, outputs))
        chunking = self.chunking().within(x.shape[1])
        codes = self.position_dropout(self.chunk_codes(chunking, x))
        x = encode_chunks(self.encoders, x, valid, chunking, codes, outputs)
        return self.after_norm(x)

    def chunking(self) -> Chunking:
        """Return the chunking of the next call; training draws one of several."""
        return self._chunks.next(self.training)

    @contextmanager
    def weights(self, mode: str) -> Iterator[None]:
        """Use masked weights inside the context, if the mode uses masks."""
        sparse = mode == "streaming" if self.sparse is None else self.sparse
        with ExitStack() as stack:
            if sparse and self.pruner is not None:
                self.pruner.check_owner(self)
                stack.enter_context(self.pruner.applied())
            yield

    def latency_ms(
        self,
        hop_ms: float = 10.0,
        window_ms: float = 32.0,
        chunk_frames: Optional[int] = None,
        look_ahead_frames: Optional[int] = None,
    ) -> Latency:
        """Return the latency of the streaming mode; see :meth:`ChunkSizes.latency`."""
        return self._chunks.latency(
            self.embed, hop_ms, window_ms, chunk_frames, look_ahead_frames
        )

    def stream(self, features: torch.Tensor, state=None, last: bool = False):
        """Encode an utterance as it arrives; see streaming.py.

        Args:
            features: ``(batch, frames, input_size)`` with any number of frames, also 0.
            state: State that the last call returned; None at the beginning.
            last: Whether the utterance ends here, so that all remaining frames are
                returned.

        Returns:
            New encoder frames, ``(batch, frames, output_size)``, and the next state.
        """
        from espnet_plugin.dual_mode.streaming import stream

        return stream(self, features, state, last)

    def chunk_codes(self, chunking: Chunking, like: torch.Tensor) -> torch.Tensor:
        """Return the position codes of every chunk; see ``chunking.chunk_codes``."""
        return chunk_codes(chunking, self._output_size, like)

    def _full(
        self,
        x: torch.Tensor,
        valid: torch.Tensor,
        outputs: Optional[list[torch.Tensor]],
    ) -> torch.Tensor:
        frames = x.shape[1]
        codes = position_codes(frames, 0, frames, self._output_size, x)
        codes = self.position_dropout(codes)
        for layer in self.encoders:
            x = layer(x, codes, valid)
            if outputs is not None:
                outputs.append(x)
        return x

    def _check_mode(self, mode: str) -> str:
        if mode not in MODES:
            raise UserError(f"mode {mode!r}: must be one of {', '.join(MODES)}")
        if mode == "full" and self._streaming_only:
            raise UserError(
                "mode 'full': this encoder was made for streaming only: set mode: "
                "streaming, or use the encoder from which it was cut"
            )
        return mode
