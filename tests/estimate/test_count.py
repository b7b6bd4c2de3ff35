"""Counting what a configuration would cost, against counting real steps."""

import pytest
import torch
import yaml

from espnet_plugin.cost.counting import count_step
from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.distill.teacher import encoder_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.count import build_model, count_model, student_config

VOCABULARY = 29
FRONTEND = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 20}
CONFORMER = {
    "frontend_conf": FRONTEND,
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 24,
        "num_blocks": 3,
        "macaron_style": True,
        "rel_pos_type": "latest",
        "pos_enc_layer_type": "rel_pos",
        "selfattention_layer_type": "rel_selfattn",
    },
    "model_conf": {"ctc_weight": 1.0},
}
HYBRID = {
    **CONFORMER,
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 2},
    "model_conf": {"ctc_weight": 0.3},
}
BRANCHFORMER = {
    **CONFORMER,
    "encoder": "e_branchformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 24,
        "cgmlp_linear_units": 32,
        "num_blocks": 3,
        "use_ffn": True,
        "macaron_ffn": True,
    },
}


@pytest.mark.parametrize(
    "config, freeze",
    [(CONFORMER, ()), (CONFORMER, ["encoder.embed"]), (HYBRID, ()), (BRANCHFORMER, ())],
)
def test_as_many_as_in_a_real_step(config, freeze):
    cost = count_model(config, VOCABULARY, tokens_per_second=2.0, freeze=freeze)
    model = build_model(config, VOCABULARY).eval()
    for name in freeze:  # not asked for by name: by the module itself
        model.get_submodule(name).requires_grad_(False)
    assert cost.num_params(3) == sum(p.numel() for p in model.parameters())
    assert cost.width == 16
    # A shape that the polynomials were not fitted to.
    utterances, seconds = 4, 4.0
    length = int(16000 * seconds)
    batch = {
        "speech": torch.randn(1, length),
        "speech_lengths": torch.tensor([length]),
        "text": torch.full((1, int(2 * seconds)), 2),
        "text_lengths": torch.tensor([int(2 * seconds)]),
    }
    real, _ = count_step(model, batch, utterances, seconds)
    ours = cost.train_flops(3, seconds, utterances) * utterances
    # Sub-sampling rounds lengths.
    assert ours == pytest.approx(real, rel=0.02)
    speech = torch.randn(utterances, length)
    with flop_counter() as counter, torch.no_grad():
        encoder_outputs(model, speech, torch.full((utterances,), length))
    forward = cost.forward_flops(3, seconds, utterances) * utterances
    assert forward == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_student_of_another_width_is_the_one_stage_5_trains():
    config = student_config(HYBRID, {"student_output_size": 8}, 2)
    assert config["encoder_conf"]["output_size"] == 8
    assert config["encoder_conf"]["linear_units"] == 12
    assert config["encoder_conf"]["num_blocks"] == 2
    assert HYBRID["encoder_conf"]["output_size"] == 16  # not changed
    narrow, wide = (build_model(c, VOCABULARY, 2) for c in (config, CONFORMER))
    assert narrow.encoder.output_size() == 8 and wide.encoder.output_size() == 16
    assert not any(name.startswith("decoder") for name in narrow.state_dict())


@pytest.mark.parametrize(
    "change, named",
    [
        ({"encoder_conf": {"output_size": 16}}, "num_blocks"),
        ({"frontend": None}, "frontend"),
        ({"encoder_conf": {"num_blocks": 2, "no_such": 1}}, "no_such"),
    ],
)
def test_what_cannot_be_counted_is_named(change, named):
    with pytest.raises(UserError, match=named):
        count_model({**CONFORMER, **change}, VOCABULARY)


def test_recipes_configurations_are_espnets():
    """References of the large and the paper's recipes build, in published sizes."""
    expected = {
        "conf/large/reference_12.yaml": (5000, 12, 26.4e6, 0.01),
        "conf/large/reference_17.yaml": (5000, 17, 148.9e6, 0.01),
        # Another sub-sampling than the paper's.
        "egs2/librispeech/encrl1/conf/paper/reference.yaml": (256, 12, 18.6e6, 0.1),
    }
    root = __file__.rsplit("/tests/", 1)[0]
    for name, (vocabulary, layers, params, off) in expected.items():
        with open(f"{root}/{name}") as stream:
            config = yaml.safe_load(stream)
        assert config["encoder_conf"]["num_blocks"] == layers
        assert config["best_model_criterion"] == [["valid", "cer_ctc", "min"]]
        one, two = (
            sum(p.numel() for p in build_model(config, vocabulary, n).parameters())
            for n in (1, 2)
        )
        whole = one + (layers - 1) * (two - one)
        assert whole == pytest.approx(params, rel=off), name
