"""The sub-network cut out against the masked whole."""

import pytest
import torch
from dual_slow import slow_encode
from dual_small import encode, features, small_encoder

from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.extract import (
    blocked_state,
    extract_streaming,
    extracted_options,
    extracted_state,
)
from espnet_plugin.errors import UserError

SHARES = {"heads": 0.5, "units": 0.6, "channels": 0.3, "front_end": 0.4}


def pruned(**pruning):
    encoder = small_encoder(
        attention_heads=4,
        pruning={"granularity": list(SHARES), "sparsity": SHARES, **pruning},
    )
    encoder.pruner.set_sparsity(1.0)
    return encoder


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("streaming_only", [True, False])
def test_extraction_is_masking(scope, streaming_only):
    encoder = pruned(scope=scope)
    small = extract_streaming(encoder, streaming_only)
    x = features(50, batch=2)
    expected = encode(encoder, x, "streaming")
    assert torch.allclose(encode(small, x, None), expected, atol=1e-9)
    frames, _ = small.stream(x, last=True)
    assert torch.allclose(frames, expected, atol=1e-9)
    if not streaming_only:
        with encoder.using("full", sparse=True):
            masked = encode(encoder, x, None)
        assert torch.allclose(encode(small, x, "full"), masked, atol=1e-9)


def test_what_is_extracted_is_the_slow_encoder():
    small = extract_streaming(pruned(), streaming_only=False)
    assert small.embed.channels == [5, 5] and small.encoders[1].feed_forward.units == 4
    x = features(43)
    expected = slow_encode(small.state_dict(), x[0], 2, 2, 4, 5, 2)
    assert torch.allclose(encode(small, x, None)[0], expected, atol=3e-6, rtol=1e-5)


def test_the_parameters_gone_are_the_masked_ones():
    encoder = pruned()
    small = extract_streaming(encoder, streaming_only=False)
    gone, _ = encoder.pruner.masked_weights()
    assert gone > 0 and count(small) == count(encoder) - gone
    halves = sum(layer.conv_module.channels * 2 for layer in small.encoders)
    assert count(extract_streaming(encoder)) == count(small) - halves
    assert small.pruner is None and not any("mask" in n for n in small.state_dict())


def test_sizes_may_differ_by_layer():
    encoder = pruned(scope="global")
    with torch.no_grad():
        for parameter in encoder.encoders[1].parameters():
            parameter.mul_(0.05)
    encoder.pruner.set_sparsity(1.0)
    options = extracted_options(encoder)
    assert options["attention_heads"] == [3, 1] and options["head_width"] == 2
    assert options["conv_channels"][0] > options["conv_channels"][1]
    small = DualModeConformerEncoder(**options).double().eval()
    small.load_state_dict(extracted_state(encoder))
    x = features(30)
    expected = encode(encoder, x, "streaming")
    assert torch.allclose(encode(small, x, None), expected, atol=1e-9)


def test_an_extracted_encoder_can_be_extracted_again():
    small = extract_streaming(pruned())
    again = extract_streaming(small)
    x = features(30)
    assert torch.equal(encode(again, x, None), encode(small, x, None))


def test_blocks_become_zeros():
    encoder = pruned(granularity="blocks", sparsity=0.5, block=[4, 1])
    small = extract_streaming(encoder)
    x = features(30)
    assert torch.allclose(
        encode(small, x, None), encode(encoder, x, "streaming"), atol=1e-12
    )
    weight = small.encoders[0].feed_forward.w_1.weight
    assert (weight == 0).sum() > 0.3 * weight.numel()


@pytest.mark.parametrize("block", [[4, 1], [2, 2], [3, 1]])
def test_a_file_without_masked_blocks_is_the_same_model_and_smaller(block, tmp_path):
    encoder = pruned(granularity="blocks", sparsity=0.5, block=block)
    state = extract_streaming(encoder).state_dict()
    packed = blocked_state(encoder, {f"x.{k}": v for k, v in state.items()}, "x.")
    masked = {id(groups.module) for _, groups, _ in encoder.pruner.masks()}
    names = {f"{n}.weight" for n, m in encoder.named_modules() if id(m) in masked}
    assert packed.keys() == {f"x.{name}" for name in state}
    rows, columns = block
    for name, tensor in state.items():
        sparse = packed[f"x.{name}"]
        # 8 and 10 rows are no multiples of 3.
        fits = name in names and not (
            tensor.shape[0] % rows or tensor.shape[1] % columns
        )
        assert (sparse.layout == torch.sparse_bsr) == fits, name
        if not fits:
            assert torch.equal(sparse, tensor)
            continue
        kept = [
            part
            for row in tensor.flatten(1).split(rows)
            for part in row.split(columns, 1)
            if part.any()
        ]
        assert sparse.values().numel() == sum(part.numel() for part in kept)
        assert sparse.col_indices().shape == (len(kept),)
        assert sparse.col_indices().dtype == torch.int32
    torch.save(packed, tmp_path / "packed.pth")
    read = read_checkpoint(tmp_path / "packed.pth")
    for name, tensor in state.items():
        assert torch.equal(read[f"x.{name}"], tensor), name


def test_what_has_no_blocks_is_left_as_it_is():
    for encoder in (small_encoder(), pruned()):
        state = extract_streaming(encoder).state_dict()
        packed = blocked_state(encoder, state)
        assert all(packed[name] is tensor for name, tensor in state.items())


def test_moving_masks_are_refused():
    encoder = pruned()
    next(encoder.pruner.masks())[2][0] = 0.5
    with pytest.raises(UserError, match="end of the schedule"):
        extract_streaming(encoder)
    with pytest.raises(UserError, match="streaming only"):
        encode(extract_streaming(pruned()), features(20), "full")
