"""An utterance encoded as it comes is the utterance encoded at once."""

import pytest
import torch
from dual_slow import slow_encode
from dual_small import BINS, encode, features, small_encoder

from espnet_plugin.dual_mode.streaming import initial_state
from espnet_plugin.errors import UserError


def in_pieces(encoder, x, sizes, state=None):
    """Encode in pieces of the sizes given, again and again, then end."""
    out, start, turn = [], 0, 0
    while start < x.shape[1]:
        size = sizes[turn % len(sizes)]
        frames, state = encoder.stream(x[:, start : start + size], state)
        out.append(frames)
        start, turn = start + size, turn + 1
    frames, state = encoder.stream(x[:, :0], state, last=True)
    assert state.ended
    return torch.cat([*out, frames], dim=1)


@pytest.mark.parametrize("sizes", [[1], [7], [3, 0, 16], [50], [1000]])
@pytest.mark.parametrize("chunk, left, ahead", [(4, 5, 2), (3, 0, 0), (2, 30, 2)])
def test_any_split_gives_the_frames_of_the_whole(sizes, chunk, left, ahead):
    encoder = small_encoder(
        chunk_frames=chunk, left_context_frames=left, look_ahead_frames=ahead
    )
    x = features(83)
    whole = encode(encoder, x, "streaming")
    pieces = in_pieces(encoder, x, sizes)
    assert pieces.shape == whole.shape == (1, 20, 8)
    assert torch.allclose(pieces, whole, atol=1e-9)


@pytest.mark.parametrize("frames", [0, 1, 6, 7, 11, 23, 31, 32, 35])
def test_every_ending(frames):
    encoder = small_encoder()  # chunks of 4, 2 ahead
    x = features(frames)
    pieces = in_pieces(encoder, x, [5])
    if frames < 7:
        assert pieces.shape == (1, 0, 8)
    else:
        whole = encode(encoder, x, "streaming")
        assert pieces.shape == whole.shape
        assert torch.allclose(pieces, whole, atol=1e-9)


def test_pieces_against_the_slow_encoder():
    encoder = small_encoder()
    x = features(43)
    expected = slow_encode(encoder.state_dict(), x[0], 2, 2, 4, 5, 2)
    pieces = in_pieces(encoder, x, [3, 9])[0]
    assert torch.allclose(pieces, expected, atol=3e-6, rtol=1e-5)


def test_masks_hold_while_streaming_and_batches_work():
    encoder = small_encoder(pruning={"sparsity": 0.5})
    encoder.pruner.set_sparsity(1.0)
    x = features(47, batch=3)
    whole = encode(encoder, x, "streaming")
    assert torch.allclose(in_pieces(encoder, x, [10]), whole, atol=1e-9)
    with encoder.using("streaming", sparse=False):
        dense = in_pieces(encoder, x, [10])
        assert torch.allclose(dense, encode(encoder, x, None), atol=1e-9)
    assert not torch.allclose(dense, whole)


def test_a_chunk_comes_out_as_soon_as_the_latency_says():
    encoder = small_encoder()
    x = features(60)
    needed = (4 + 2 - 1) * 4 + 7  # features up to the last that the chunk reads
    assert needed - 1 == encoder.latency_ms(hop_ms=1, window_ms=0).total_ms
    frames, state = encoder.stream(x[:, : needed - 1])
    assert frames.shape[1] == 0
    frames, state = encoder.stream(x[:, needed - 1 : needed], state)
    assert frames.shape[1] == 4
    frames, state = encoder.stream(x[:, needed : needed + 15], state)
    assert frames.shape[1] == 0
    frames, state = encoder.stream(x[:, needed + 15 : needed + 16], state)
    assert frames.shape[1] == 4


def test_the_state_does_not_grow_and_is_not_changed():
    encoder = small_encoder()
    x = features(200)

    def size(state):
        caches = [t for c in state.caches for t in (*c.attention, c.convolution)]
        tensors = [state.features, state.frames, state.past, *caches]
        return sum(tensor.numel() for tensor in tensors)

    _, state = encoder.stream(x[:, :40])
    _, later = encoder.stream(x[:, 40:200], state)
    assert size(later) == size(state)
    first, _ = encoder.stream(x[:, 40:80], state)
    again, _ = encoder.stream(x[:, 40:80], state)
    assert torch.equal(first, again)


def test_another_chunk_size():
    encoder = small_encoder(chunk_frames=[4, 2])
    x = features(50)
    pieces = in_pieces(encoder, x, [8], initial_state(encoder, chunk_frames=3))
    with encoder.using("streaming", chunk_frames=3):
        assert torch.allclose(pieces, encode(encoder, x, None), atol=1e-9)


def test_bad_calls_are_named():
    encoder = small_encoder()
    with pytest.raises(UserError, match=rf"\(1, 20, 4\).*frames, {BINS}"):
        encoder.stream(features(20)[:, :, :4])
    _, state = encoder.stream(features(20), last=True)
    with pytest.raises(UserError, match="has ended"):
        encoder.stream(features(20), state)
    _, state = encoder.stream(features(20))
    with pytest.raises(UserError, match="2 utterances.*one of 1|of 2 utterances"):
        encoder.stream(features(20, batch=2), state)
    with pytest.raises(UserError, match="look_ahead_frames 2"):
        initial_state(encoder, chunk_frames=1)
    with pytest.raises(UserError, match=r"eval\(\)"):
        encoder.train().stream(features(20))
