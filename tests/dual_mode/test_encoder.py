"""Both modes of the encoder against the slow one; what may depend on what."""

import pytest
import torch
from dual_slow import slow_encode
from dual_small import BINS, encode, features, small_encoder

from espnet_plugin.data.frames import encoder_frames
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.subsampling import INPUT_LAYERS, Subsampling
from espnet_plugin.errors import UserError

# The codes of the positions are float32.
close = dict(atol=3e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"macaron_style": False, "attention_heads": 4}]
)
def test_full_mode_is_the_slow_dense_forward(options):
    encoder = small_encoder(**options)
    x = features(43)
    heads = options.get("attention_heads", 2)
    expected = slow_encode(encoder.state_dict(), x[0], 2, heads)
    assert expected.shape == (10, 8)
    assert torch.allclose(encode(encoder, x, "full")[0], expected, **close)


@pytest.mark.parametrize(
    "chunk, left, ahead", [(4, 5, 2), (3, 0, 0), (3, 40, 3), (1, 2, 1), (20, 4, 5)]
)
def test_streaming_mode_is_the_slow_one_chunk_by_chunk(chunk, left, ahead):
    encoder = small_encoder(
        chunk_frames=chunk, left_context_frames=left, look_ahead_frames=ahead
    )
    x = features(47)  # 11 frames: the last chunk is not whole
    expected = slow_encode(encoder.state_dict(), x[0], 2, 2, chunk, left, ahead)
    assert torch.allclose(encode(encoder, x, "streaming")[0], expected, **close)


@pytest.mark.parametrize(
    "chunk, left, ahead", [(11, 0, 2), (12, 3, 0), (10, 3, 4), (4000, 5, 100)]
)
def test_chunks_longer_than_the_utterance(chunk, left, ahead):
    """Also one of which a single frame is left for the second chunk."""
    encoder = small_encoder(
        chunk_frames=chunk, left_context_frames=left, look_ahead_frames=ahead
    )
    x = features(47)  # 11 frames
    # The slow encoder only looks at frames that there are.
    expected = slow_encode(encoder.state_dict(), x[0], 2, 2, chunk, left, ahead)
    assert torch.allclose(encode(encoder, x, "streaming")[0], expected, **close)


def test_padding_beyond_the_utterance_is_not_computed():
    """A chunk or a left context of any length takes no more memory than the frames."""
    for chunk, left in ((4000, 8), (4, 100_000)):
        encoder = small_encoder(chunk_frames=chunk, left_context_frames=left)
        sizes = []
        for layer in encoder.encoders:
            layer.self_attn.linear_pos.register_forward_hook(
                lambda module, args, out: sizes.append(args[0].shape[0])
            )
        encode(encoder, features(47), "streaming")
        # Distances of at most 11 frames in both directions, and of 2 frames ahead.
        assert len(sizes) == 2 and max(sizes) <= 2 * (11 + 2)


def test_zero_sparsity_changes_nothing_and_masks_only_stream():
    dense = small_encoder()
    sparse = small_encoder(pruning={"sparsity": 0.0})
    x = features(40)
    sparse.load_state_dict(dense.state_dict(), strict=False)
    sparse.pruner.set_sparsity(1.0)
    for mode in ("full", "streaming"):
        assert torch.allclose(encode(sparse, x, mode), encode(dense, x, mode))
    half = small_encoder(pruning={"sparsity": 0.5})
    half.load_state_dict(dense.state_dict(), strict=False)
    half.pruner.set_sparsity(1.0)
    assert torch.equal(encode(half, x, "full"), encode(dense, x, "full"))
    assert not torch.allclose(
        encode(half, x, "streaming"), encode(dense, x, "streaming")
    )
    with half.using("streaming", sparse=False):
        assert torch.equal(encode(half, x, None), encode(dense, x, "streaming"))
    with half.using("full", sparse=True):
        assert not torch.allclose(encode(half, x, None), encode(dense, x, "full"))


def test_masks_may_be_applied_within_and_belong_to_one_encoder():
    encoder = small_encoder(pruning={"sparsity": 0.5})
    encoder.pruner.set_sparsity(1.0)
    x = features(40)
    streaming = encode(encoder, x, "streaming")
    with encoder.using("full", sparse=True):
        full = encode(encoder, x, None)
    with encoder.pruner.applied():
        assert torch.equal(encode(encoder, x, "streaming"), streaming)
        assert torch.equal(encode(encoder, x, "full"), full)
    other = small_encoder()
    other.pruner = encoder.pruner
    encode(other, x, "full")
    with pytest.raises(UserError, match="DataParallel"):
        encode(other, x, "streaming")


def test_masked_channels_are_no_part_of_the_normalisation():
    encoder = small_encoder(pruning={"granularity": "channels", "sparsity": 0.5})
    encoder.pruner.set_sparsity(1.0)
    x = features(33)
    keep = [mask.bool() for *_, mask in encoder.pruner.masks()]
    state = encoder.state_dict()
    for _, groups, mask in encoder.pruner.masks():
        name = next(n for n, m in encoder.named_modules() if m is groups.module)
        for parameter in ("pointwise_conv2.weight",):
            key = f"{name}.{parameter}"
            state[key] = state[key] * mask[None, :, None]
    expected = slow_encode(state, x[0], 2, 2, 4, 5, 2, keep=keep)
    assert torch.allclose(encode(encoder, x, "streaming")[0], expected, **close)


@pytest.mark.parametrize("mode", ["full", "streaming"])
def test_padding_and_order_of_the_batch_change_nothing(mode):
    encoder = small_encoder()
    x = features(60, batch=4)
    lengths = torch.tensor([60, 31, 45, 7])
    with torch.no_grad():
        whole, frames, _ = encoder(x, lengths, mode=mode)
        assert frames.tolist() == [encoder_frames(n, "conv2d") for n in lengths]
        order = torch.tensor([2, 0, 3, 1])
        shuffled, _, _ = encoder(x[order], lengths[order], mode=mode)
        noisy = x.clone()
        for row, length in zip(noisy, lengths):
            row[length:] = 1000.0
        other, _, _ = encoder(noisy, lengths, mode=mode)
        for i, length in enumerate(lengths):
            valid = whole[i, : frames[i]]
            alone = encode(encoder, x[i : i + 1, :length], mode)[0]
            assert torch.allclose(valid, alone, **close)
            assert torch.allclose(valid, other[i, : frames[i]], **close)
            assert torch.allclose(valid, shuffled[order == i][0, : frames[i]], **close)


@pytest.mark.parametrize("input_layer", ["conv2d", "conv2d6"])
@pytest.mark.parametrize("chunk, ahead", [(4, 0), (4, 2), (3, 3)])
def test_no_frame_depends_on_more_than_the_stated_future(input_layer, chunk, ahead):
    encoder = small_encoder(
        chunk_frames=chunk,
        look_ahead_frames=ahead,
        num_blocks=3,
        input_layer=input_layer,
        input_size=16,
    )
    torch.manual_seed(0)
    x = torch.randn(1, 100, 16, dtype=torch.float64)
    stride, span = encoder.embed.stride, encoder.embed.span
    before = encode(encoder, x, "streaming")[0]
    for number in range(2):
        end = (number + 1) * chunk
        # The last feature that a chunk may read, and the first it must not.
        limit = (end + ahead - 1) * stride + span
        latency = encoder.latency_ms(hop_ms=1.0, window_ms=0.0).total_ms
        assert limit - 1 - number * chunk * stride == latency
        beyond = x.clone()
        beyond[:, limit:] = torch.randn_like(beyond[:, limit:]) * 50
        after = encode(encoder, beyond, "streaming")[0]
        assert torch.equal(after[:end], before[:end])
        assert not torch.allclose(after[end : end + chunk], before[end : end + chunk])
        beyond[:, limit - 1] += 10.0
        after = encode(encoder, beyond, "streaming")[0]
        assert not torch.allclose(after[:end], before[:end])


def test_latency_by_hand():
    encoder = small_encoder(chunk_frames=[16, 8], look_ahead_frames=4)
    latency = encoder.latency_ms(hop_ms=10, window_ms=25)
    # 16 frames of 40 ms, 4 more, 2 feature frames (7 read, 4 a step) and half a window.
    assert latency.chunk_ms == 640 and latency.look_ahead_ms == 160
    assert latency.front_end_ms == 20 and latency.window_ms == 12.5
    assert latency.total_ms == 832.5
    # 512 samples at 16 kHz, ESPnet's default
    assert encoder.latency_ms(chunk_frames=8, look_ahead_frames=0).total_ms == 356


def test_chunk_sizes_are_drawn_in_training_only():
    encoder = small_encoder(chunk_frames=[4, 2, 8])
    assert {encoder.chunking().chunk for _ in range(20)} == {4}
    encoder.train()
    assert {encoder.chunking().chunk for _ in range(60)} == {4, 2, 8}
    with encoder.using("streaming", chunk_frames=5):
        assert encoder.chunking().chunk == 5
    encoder.eval()
    assert encoder.chunking() == (4, 5, 2)


def test_the_mode_is_chosen_by_call_attribute_or_context():
    encoder = small_encoder()
    x = features(40)
    full, streaming = (encode(encoder, x, mode) for mode in ("full", "streaming"))
    assert torch.equal(encode(encoder, x, None), full)
    with encoder.using("streaming"):
        assert torch.equal(encode(encoder, x, None), streaming)
        with encoder.using("full"):
            assert torch.equal(encode(encoder, x, None), full)
        assert torch.equal(encode(encoder, x, "full"), full)
    encoder.mode = "streaming"
    assert torch.equal(encode(encoder, x, None), streaming)


def test_both_modes_train_every_weight_of_a_dense_encoder():
    encoder = small_encoder(pruning={"sparsity": 0.5}).train()
    encoder.pruner.set_sparsity(1.0)
    x = features(40, batch=2)
    lengths = torch.tensor([40, 33])
    loss = 0
    for mode in ("full", "streaming"):
        out, _, _ = encoder(x, lengths, mode=mode)
        loss = loss + out.square().sum() + out[..., 0].sum()
    loss.backward()
    for name, parameter in encoder.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        # A ReLU of the front end may hide a channel.
        assert (parameter.grad != 0).double().mean() > 0.5, name


@pytest.mark.parametrize("input_layer", sorted(INPUT_LAYERS))
def test_the_front_end_reads_the_span_it_states(input_layer):
    front = Subsampling(40, 4, input_layer).double()
    x = torch.randn(1, 80, 40, dtype=torch.float64, requires_grad=True)
    out = front(x)
    assert out.shape[1] == front.frames(80) == encoder_frames(80, input_layer)
    counts = torch.arange(0, 81)
    assert front.frames(counts).tolist() == [
        encoder_frames(int(n), input_layer) for n in counts
    ]
    (grad,) = torch.autograd.grad(out[0, 2].sum(), x)
    read = grad[0].abs().sum(1).nonzero()[:, 0]
    assert read[0] >= 2 * front.stride and read[-1] < 2 * front.stride + front.span
    assert read[-1] - read[0] >= front.span - 3  # a ReLU may hide an edge


def test_too_short_is_espnets_own_exception():
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
        TooShortUttError,
    )

    with pytest.raises(TooShortUttError, match="6 frames"):
        encode(small_encoder(), features(6), "full")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"chunk_frames": 0}, "chunk_frames 0.*at least 1"),
        ({"chunk_frames": [4, 0]}, "chunk_frames 0"),
        ({"chunk_frames": []}, "one size"),
        ({"chunk_frames": 2.5}, "2.5"),
        ({"look_ahead_frames": 5}, "look_ahead_frames 5.*chunk_frames, 4"),
        ({"chunk_frames": [8, 3], "look_ahead_frames": 4}, "smallest.*3"),
        ({"look_ahead_frames": -1}, "look_ahead_frames -1"),
        ({"left_context_frames": -1}, "left_context_frames -1"),
        ({"attention_heads": 3}, "attention_heads 3: must divide output_size 8"),
        ({"attention_heads": [2, 1]}, "head_width"),
        ({"attention_heads": [2], "head_width": 4}, "2 blocks"),
        ({"linear_units": [10, 0]}, "linear_units"),
        ({"num_blocks": 0}, "num_blocks 0"),
        ({"cnn_module_kernel": 4}, "cnn_module_kernel 4: must be odd"),
        ({"input_layer": "linear"}, "'linear'.*conv2d6"),
        ({"input_size": 4}, "input_size 4"),
        ({"activation_type": "tanh"}, "'tanh'.*swish"),
        ({"front_channels": [4]}, r"front_channels \[4\]: give 2 numbers"),
        ({"mode": "offline"}, "'offline'.*streaming"),
        ({"pruning": {"sparsity": 1.0}}, "sparsity 1.0"),
        ({"pruning": {"sparsty": 0.5}}, "sparsty"),
        ({"pruning": 0.5}, "pruning 0.5"),
        ({"streaming_only": True}, "mode 'full'"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(UserError, match=words):
        DualModeConformerEncoder(
            **{
                **dict(input_size=BINS, output_size=8, attention_heads=2, num_blocks=2),
                **dict(linear_units=10, cnn_module_kernel=5, chunk_frames=4),
                **options,
            }
        )


def test_bad_calls_are_named():
    encoder = small_encoder()
    with pytest.raises(UserError, match="'both'"):
        encode(encoder, features(20), "both")
    with pytest.raises(UserError, match="no masks"):
        with encoder.using("streaming", sparse=True):
            pass
    with pytest.raises(UserError, match="look_ahead_frames 2"):
        with encoder.using("streaming", chunk_frames=1):
            pass
    assert encoder.mode == "full"


@pytest.mark.parametrize("mode", ["full", "streaming"])
def test_sub_sampling_and_layers_can_be_called_apart(mode):
    encoder = small_encoder(pruning={"granularity": ["front_end", "heads"]})
    encoder.pruner.set_sparsity(1.0)
    lengths = torch.tensor([50, 33])
    with torch.no_grad():
        whole, expected, _ = encoder(features(50, batch=2), lengths, mode=mode)
        frames, count = encoder.subsample(features(50, batch=2), lengths, mode)
        apart = encoder.encode_frames(frames, count, mode)
    assert torch.equal(apart, whole) and torch.equal(count, expected)
