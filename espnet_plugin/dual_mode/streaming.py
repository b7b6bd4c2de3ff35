"""Encode an utterance as it arrives."""

from dataclasses import dataclass, replace
from typing import Optional

import torch

from espnet_plugin.dual_mode.chunking import Chunking
from espnet_plugin.dual_mode.layer import LayerCache
from espnet_plugin.errors import UserError

__all__ = ["StreamingState", "initial_state", "stream"]


@dataclass(frozen=True)
class StreamingState:
    """The state between two calls; every call returns a new one.

    Its size does not grow with the utterance.

    Attributes:
        chunking: Chunk, left context and look-ahead, in encoder frames.
        features: Features that the next encoder frames still need, ``(batch, frames,
            input_size)``.
        frames: Sub-sampled frames that wait for a complete chunk and its look-ahead,
            ``(batch, frames, width)``.
        caches: Keys, values and convolution inputs of every layer.
        positions: Projected position codes of every layer, the same for all chunks.
        past: Which frames of the left context exist, ``(batch, left)``.
        ended: Whether the utterance has ended.
    """

    chunking: Chunking
    features: torch.Tensor
    frames: torch.Tensor
    caches: tuple[LayerCache, ...]
    positions: tuple[torch.Tensor, ...]
    past: torch.Tensor
    ended: bool = False


def initial_state(
    encoder,
    batch: int = 1,
    chunk_frames: Optional[int] = None,
    like: Optional[torch.Tensor] = None,
) -> StreamingState:
    """Return the state before the first frame.

    Args:
        encoder: A ``DualModeConformerEncoder``.
        batch: Number of utterances, which arrive in parallel.
        chunk_frames: Encoder frames per chunk; None: the first of the encoder's
            options.
        like: Tensor with the device and type; None: the encoder's.

    Raises:
        UserError: If the chunk is out of range, or the encoder is in training mode.
    """
    _check_eval(encoder)
    like = encoder.after_norm.weight if like is None else like
    using = encoder.using("streaming", encoder.sparse, chunk_frames)
    with torch.no_grad(), using:
        chunking = encoder.chunking()
        codes = encoder.chunk_codes(chunking, like)
        with encoder.weights("streaming"):
            positions = [
                layer.self_attn.project_codes(codes) for layer in encoder.encoders
            ]
        caches = [
            layer.empty_cache(batch, chunking.left, like) for layer in encoder.encoders
        ]
    return StreamingState(
        chunking,
        like.new_zeros(batch, 0, encoder.options["input_size"]),
        like.new_zeros(batch, 0, encoder.output_size()),
        tuple(caches),
        tuple(positions),
        torch.zeros(batch, chunking.left, dtype=torch.bool, device=like.device),
    )


@torch.inference_mode()
def stream(
    encoder,
    features: torch.Tensor,
    state: Optional[StreamingState] = None,
    last: bool = False,
) -> tuple[torch.Tensor, StreamingState]:
    """Encode the frames that are complete.

    A chunk is returned as soon as it and its look-ahead have arrived. The frames are
    those of ``encoder(features, lengths, mode="streaming")`` on the whole utterance, up
    to rounding, for any split. The last chunk and its look-ahead may be shorter.

    Masks are applied in every call. Models for devices are cut out first; see
    extract.py.

    Args:
        encoder: A ``DualModeConformerEncoder`` in evaluation mode.
        features: ``(batch, frames, input_size)`` with any number of frames, also 0.
        state: State that the last call returned; None at the beginning.
        last: Whether the utterance ends here, so that all remaining frames are
            returned.

    Returns:
        New frames, ``(batch, frames, width)``, and the next state.

    Raises:
        UserError: If the utterance has ended, the features do not fit, or the encoder
            is in training mode.
    """
    _check_eval(encoder)
    wanted = encoder.options["input_size"]
    if features.dim() != 3 or features.shape[2] != wanted:
        raise UserError(
            f"features of shape {tuple(features.shape)}: must be (batch, frames, "
            f"{wanted})"
        )
    if state is None:
        state = initial_state(encoder, len(features), like=features)
    if state.ended:
        raise UserError("the utterance has ended: start the next one with state None")
    if len(features) != len(state.features):
        raise UserError(
            f"features of {len(features)} utterances: the state belongs to "
            f"{len(state.features)} utterances: start new utterances with state None"
        )
    chunk, _, ahead = state.chunking
    out = []
    with encoder.weights("streaming"):
        state = _subsample(encoder, features, state)
        while state.frames.shape[1] >= chunk + ahead:
            frames, state = _step(encoder, state)
            out.append(frames)
        while last and state.frames.shape[1] > 0:
            frames, state = _step(encoder, state)
            out.append(frames)
    if not out:
        out.append(state.frames[:, :0])
    return torch.cat(out, dim=1), replace(state, ended=last)


def _subsample(encoder, features: torch.Tensor, state: StreamingState):
    features = torch.cat([state.features, features], dim=1)
    count = encoder.embed.frames(features.shape[1])
    if count == 0:
        return replace(state, features=features)
    new = encoder.embed(features) * encoder.output_size() ** 0.5
    return replace(
        state,
        features=features[:, count * encoder.embed.stride :],
        frames=torch.cat([state.frames, new], dim=1),
    )


def _step(encoder, state: StreamingState) -> tuple[torch.Tensor, StreamingState]:
    """Encode one chunk, complete or at the end of the utterance."""
    chunk, left, ahead = state.chunking
    x = state.frames[:, : chunk + ahead]
    present = x.shape[1]
    x = torch.nn.functional.pad(x, (0, 0, 0, chunk + ahead - present))
    own = torch.arange(chunk + ahead, device=x.device) < present
    valid = torch.cat([state.past, own.expand(len(x), -1)], dim=1)
    # Within an utterance all frames are valid, and masking would take much of the time.
    shown = None if bool(valid.all()) else valid[:, None]
    x, caches = x[:, None], []
    for layer, positions, cache in zip(encoder.encoders, state.positions, state.caches):
        x, cache = layer.forward_chunks(x, positions, shown, cache, chunk)
        caches.append(cache)
    out = encoder.after_norm(x[:, 0, : min(chunk, present)])
    past = valid[:, chunk : chunk + left]
    frames = state.frames[:, chunk:]
    return out, replace(state, frames=frames, caches=tuple(caches), past=past)


def _check_eval(encoder) -> None:
    if encoder.training:
        raise UserError("the encoder is in training mode: call its eval() first")
