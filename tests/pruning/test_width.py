"""Width pruning against models whose surplus channels are known."""

import math

import numpy as np
import pytest
import torch

from espnet_plugin.checkpoints.load import build_asr_model, load_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.pruning.width import (
    narrow_conformer,
    narrow_feed_forward,
    refit_positions,
    relative_positions,
)


def outputs(config, state, tiny):
    model, _ = build_asr_model(config, tiny.config)
    model.load_state_dict(state)
    model.eval()
    generator = torch.Generator().manual_seed(1)
    speech = torch.randn(2, 16000, generator=generator) * 0.1
    with torch.no_grad():
        encoded, _ = model.encode(speech, torch.tensor([16000, 12000]))
    return model.ctc.log_softmax(encoded)


@pytest.fixture(scope="module")
def dense(tiny_asr_model):
    config = read_config(tiny_asr_model.config)
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    return config, model.state_dict()


def test_units_that_do_nothing_are_the_ones_cut(tiny_asr_model, dense):
    config, state = dense
    dead = torch.tensor([0, 3, 4, 11, 17, 30])
    state = {k: v.clone() for k, v in state.items()}
    for name, value in state.items():
        if name.endswith("w_2.weight"):
            value[:, dead] = 0.0
    narrow = narrow_feed_forward(state, 26)
    alive = [i for i in range(32) if i not in dead.tolist()]
    name = "encoder.encoders.1.feed_forward.w_1.weight"
    assert torch.equal(narrow[name], state[name][alive])
    smaller = {**config, "encoder_conf": {**config["encoder_conf"], "linear_units": 26}}
    before = outputs(config, state, tiny_asr_model)
    after = outputs(smaller, narrow, tiny_asr_model)
    assert torch.allclose(before, after, atol=1e-4)


def test_full_width_changes_nothing(tiny_asr_model, dense):
    config, state = dense
    same = narrow_conformer(state, 2, 16, 32)
    before = outputs(config, state, tiny_asr_model)
    after = outputs(config, same, tiny_asr_model)
    assert torch.allclose(before, after, atol=1e-5)


def test_half_the_width_is_a_stock_model(tiny_asr_model, dense):
    config, state = dense
    narrow = narrow_conformer(state, 2, 8, 16)
    conf = {**config["encoder_conf"], "output_size": 8, "linear_units": 16}
    smaller = {**config, "encoder_conf": conf}
    posteriors = outputs(smaller, narrow, tiny_asr_model)  # loads strictly
    assert torch.isfinite(posteriors).all()
    # Counted by hand for one block: feed-forward, attention, convolution, norms.
    d, f, k, h = 8, 16, 7, 2
    block = (2 * d * f + d + f) + 5 * d * d + 4 * d + 2 * h * (d // h)
    block += (2 * d * d + 2 * d) + (d * k + d) + 2 * d + (d * d + d) + 4 * 2 * d
    prefix = "encoder.encoders.2."
    counted = sum(
        v.numel()
        for n, v in narrow.items()
        if n.startswith(prefix) and "running" not in n and "num_batches" not in n
    )
    assert counted == block


def test_dead_channels_inside_attention_and_convolution_are_cut(dense):
    _, state = dense
    state = {k: v.clone() for k, v in state.items()}
    attention = "encoder.encoders.0.self_attn."
    convolution = "encoder.encoders.0.conv_module."
    # Of each head of 8 channels, 4 neither match nor carry anything.
    dead = torch.tensor([1, 2, 5, 7, 8, 11, 12, 13])
    alive = torch.tensor([0, 3, 4, 6, 9, 10, 14, 15])
    state[f"{attention}linear_q.weight"][dead] = 0.0
    state[f"{attention}linear_out.weight"][:, dead] = 0.0
    state[f"{convolution}pointwise_conv2.weight"][:, dead] = 0.0
    narrow = narrow_conformer(state, 2, 8, 16)
    for name, scale in (("pos_bias_u", math.sqrt(0.5)), ("pos_bias_v", math.sqrt(0.5))):
        expected = state[attention + name].flatten()[alive] * scale
        assert torch.allclose(narrow[attention + name].flatten(), expected)
    expected = state[f"{convolution}depthwise_conv.weight"][alive]
    assert torch.equal(narrow[f"{convolution}depthwise_conv.weight"], expected)
    expected = state[f"{convolution}pointwise_conv1.bias"]
    expected = torch.cat([expected[alive], expected[alive + 16]])
    assert torch.equal(narrow[f"{convolution}pointwise_conv1.bias"], expected)
    expected = state[f"{attention}linear_v.bias"][alive]
    assert torch.equal(narrow[f"{attention}linear_v.bias"], expected)


def test_positions_are_espnets(tiny_asr_model, dense):
    config, _ = dense
    model, _ = build_asr_model(config, tiny_asr_model.config)
    frames = 30
    _, codes = model.encoder.embed.pos_enc.eval()(torch.zeros(1, frames, 16))
    ours = relative_positions(frames, 16)
    assert torch.allclose(codes[0].double(), ours, atol=1e-4)


def test_projected_positions_are_the_nearest(dense):
    _, state = dense
    weight = state["encoder.encoders.0.self_attn.linear_pos.weight"]
    refitted = refit_positions(weight, 12, frames=50, ridge=0.01).double()
    target = relative_positions(50, 16) @ weight.double().T
    codes = relative_positions(50, 12)
    # A ridge is least squares with rows that pull every weight to zero.
    pull = np.sqrt(0.01 * len(codes)) * np.eye(12)
    rows = np.concatenate([codes.numpy(), pull])
    wanted = np.concatenate([target.numpy(), np.zeros((12, target.shape[1]))])
    expected = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    assert np.allclose(refitted, expected.T, atol=1e-4)
    # No weights that cancel out, which the first update would upset.
    assert refitted.abs().max() < 4 * weight.abs().max()


@pytest.mark.parametrize(
    "width, says", [(7, "even"), (18, "at most 16"), (0, "width 0")]
)
def test_widths_that_do_not_fit(dense, width, says):
    with pytest.raises(UserError, match=says):
        narrow_conformer(dense[1], 2, width, 16)


def test_other_models_are_refused(dense):
    without = {k: v for k, v in dense[1].items() if "linear_pos" not in k}
    with pytest.raises(UserError, match="model_width: false"):
        narrow_conformer(without, 2, 8, 16)
    with pytest.raises(UserError, match="40 of 32 cannot be kept"):
        narrow_feed_forward(dense[1], 40)
    with pytest.raises(UserError, match="no feed-forward"):
        narrow_feed_forward({"ctc.ctc_lo.weight": torch.zeros(2, 2)}, 1)
