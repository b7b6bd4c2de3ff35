"""The streaming mode's chunks: their sizes, their latency, and encoding by chunks."""

from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import nn

from espnet_plugin.dual_mode.attention import position_codes
from espnet_plugin.dual_mode.layer import ConformerLayer
from espnet_plugin.dual_mode.options import as_list, is_whole
from espnet_plugin.dual_mode.subsampling import Latency, Subsampling
from espnet_plugin.errors import UserError

__all__ = ["ChunkSizes", "Chunking", "chunk_codes", "encode_chunks"]


class Chunking(NamedTuple):
    """Numbers of encoder frames in the streaming mode.

    Attributes:
        chunk: Frames that are computed together.
        left: Frames before the chunk to which it attends.
        ahead: Frames after the chunk to which it attends.
    """

    chunk: int
    left: int
    ahead: int

    def within(self, frames: int) -> "Chunking":
        """Return a chunking with the same results for so many frames, up to rounding.

        A chunk or a left context that is longer than the utterance would mostly consist
        of padding, whose attention takes time and memory.

        Args:
            frames: Encoder frames of the longest utterance, at least 1.
        """
        if max(self.chunk, self.left) <= frames:
            return self
        chunk = min(self.chunk, frames)
        before = (-(-frames // chunk) - 1) * chunk
        return Chunking(chunk, min(self.left, before), min(self.ahead, frames - chunk))


class ChunkSizes:
    """The chunk sizes and the context of an encoder.

    Args:
        chunk_frames: Encoder frames in a chunk, one size or several.
        left: Encoder frames before a chunk to which it attends.
        ahead: Encoder frames after a chunk to which it attends.

    Attributes:
        chosen: Size of the next chunks; None: that of the options.

    Raises:
        UserError: If a number is out of range.
    """

    def __init__(self, chunk_frames: Union[int, Sequence[int]], left: int, ahead: int):
        self._sizes = _check_chunks(chunk_frames, left, ahead)
        self._left, self._ahead = left, ahead
        self.chosen: Optional[int] = None

    def check(self, chunk_frames: int) -> None:
        """Check that a chunk size is possible with this context.

        Raises:
            UserError: If it is out of range.
        """
        _check_chunks(chunk_frames, self._left, self._ahead)

    def next(self, training: bool) -> Chunking:
        """Return the chunking of the next call; training draws one of several."""
        if self.chosen is not None:
            chunk = self.chosen
        elif training and len(self._sizes) > 1:
            # With torch's generator, which ESPnet seeds and whose state it saves.
            chunk = self._sizes[int(torch.randint(len(self._sizes), ()))]
        else:
            chunk = self._sizes[0]
        return Chunking(chunk, self._left, self._ahead)

    def latency(
        self,
        embed: Subsampling,
        hop_ms: float,
        window_ms: float,
        chunk_frames: Optional[int] = None,
        look_ahead_frames: Optional[int] = None,
    ) -> Latency:
        """Return the latency of the streaming mode in milliseconds, without computing.

        With hop h, stride s and span n of the subsampling (4 and 7 feature frames for
        ``conv2d``): chunk ``c * s * h``, look-ahead ``r * s * h``, front end
        ``(n - 1 - s) * h``, and half a window, since frames are centred. Their sum is
        the time from the middle of the first feature frame of a chunk to the last
        sample that the chunk needs.

        Args:
            embed: The encoder's subsampling.
            hop_ms: Milliseconds between feature frames.
            window_ms: Milliseconds of ``n_fft`` samples, even if ``win_length`` is
                shorter: the front end waits for all of them.
            chunk_frames: Encoder frames in a chunk; None: the first of the options.
            look_ahead_frames: Encoder frames of look-ahead; None: that of the options.

        Raises:
            UserError: If a number of frames is out of range.
        """
        chunk = self._sizes[0] if chunk_frames is None else chunk_frames
        ahead = self._ahead if look_ahead_frames is None else look_ahead_frames
        _check_chunks(chunk, self._left, ahead)
        return embed.latency(chunk, ahead, hop_ms, window_ms)


def _check_chunks(
    chunk_frames: Union[int, Sequence[int]], left: int, ahead: int
) -> list[int]:
    """Return the chunk sizes as a list, after checking them and the context.

    Args:
        chunk_frames: One size or several.
        left: ``left_context_frames``.
        ahead: ``look_ahead_frames``.

    Raises:
        UserError: If a number is out of range.
    """
    chunks = as_list(chunk_frames)
    for chunk in chunks:
        if not is_whole(chunk) or chunk < 1:
            raise UserError(
                f"chunk_frames {chunk!r}: must be a whole number, at least 1 frame "
                "(for no chunks, choose mode full)"
            )
    if not chunks:
        raise UserError("chunk_frames []: give one size, or several for training")
    if not is_whole(left) or left < 0:
        raise UserError(
            f"left_context_frames {left!r}: must be a whole number, 0 or more (for an "
            "unlimited context, more frames than any utterance has)"
        )
    if not is_whole(ahead) or not 0 <= ahead <= min(chunks):
        raise UserError(
            f"look_ahead_frames {ahead!r}: must be a whole number from 0 to the "
            f"smallest of chunk_frames, {min(chunks)}: reduce it, or use larger chunks"
        )
    return chunks


def chunk_codes(chunking: Chunking, width: int, like: torch.Tensor) -> torch.Tensor:
    """Return the position codes of a chunk, the same for all; see ``position_codes``.

    Args:
        chunking: Chunk, left context and look-ahead, in encoder frames.
        width: Width of the codes.
        like: A tensor with the device and type of the result.

    Returns:
        ``(distances, width)``, the largest distance first.
    """
    chunk, left, ahead = chunking
    own = chunk + ahead
    return position_codes(own, left, left + own, width, like)


def encode_chunks(
    layers: Sequence[ConformerLayer],
    x: torch.Tensor,
    valid: torch.Tensor,
    chunking: Chunking,
    codes: torch.Tensor,
    outputs: Optional[list[torch.Tensor]] = None,
) -> torch.Tensor:
    """Run the layers on all chunks at once, each with its own copy of the look-ahead.

    Args:
        layers: The encoder's layers.
        x: Subsampled frames, ``(batch, frames, width)``.
        valid: ``(batch, frames)``, False on padding.
        chunking: Chunk, left context and look-ahead, in encoder frames.
        codes: Position codes of a chunk, see :func:`chunk_codes`.
        outputs: Receives the output of each layer, if given.

    Returns:
        ``(batch, frames, width)``.
    """
    chunk, left, ahead = chunking
    batch, frames, _ = x.shape
    chunks = -(-frames // chunk)
    fill = chunks * chunk + ahead - frames
    x = nn.functional.pad(x, (0, 0, 0, fill))
    x = x.unfold(1, chunk + ahead, chunk).transpose(2, 3)
    valid = nn.functional.pad(valid, (left, fill))
    valid = valid.unfold(1, left + chunk + ahead, chunk)
    for layer in layers:
        positions = layer.self_attn.project_codes(codes)
        cache = layer.empty_cache(batch, left, x)
        x, _ = layer.forward_chunks(x, positions, valid, cache, chunk)
        if outputs is not None:
            outputs.append(_joined(x, chunk, frames))
    return _joined(x, chunk, frames)


def _joined(x: torch.Tensor, chunk: int, frames: int) -> torch.Tensor:
    """Return the frames of the chunks in order, without look-ahead and padding."""
    return x[:, :, :chunk].flatten(1, 2)[:, :frames]
