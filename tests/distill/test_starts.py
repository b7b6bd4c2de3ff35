"""What the default of --student_init stands for."""

import pytest

from espnet_plugin.distill.starts import INITS, own_kind, start_of


@pytest.mark.parametrize("init", INITS)
def test_what_is_given_counts(init):
    assert start_of(init, {"student_encoder": "transformer"}) == init


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"student_encoder": None, "student_encoder_conf": {}, "student_num_layers": 3},
        {"student_encoder_conf": {"input_layer": "conv2d6", "dropout_rate": 0.0}},
        {"student_encoder_conf": {"attention_dropout_rate": 0.2}},
        {"specaug": "specaug", "model_conf": {"ctc_loss_weight": 1.0}},
    ],
)
def test_a_shallower_reference_starts_from_its_layers(options):
    assert own_kind(options) == ""
    assert start_of("auto", options) == "spaced"


@pytest.mark.parametrize(
    "options, named",
    [
        ({"student_encoder": "e_branchformer"}, "student_encoder"),
        ({"student_frontend": "default"}, "student_frontend"),
        ({"student_output_size": 48}, "student_output_size"),
        ({"student_linear_units": 64}, "student_linear_units"),
        (
            {"student_encoder_conf": {"input_layer": "conv2d", "macaron_style": True}},
            "student_encoder_conf macaron_style",
        ),
    ],
)
def test_a_student_of_another_kind_starts_at_random(options, named):
    assert own_kind(options) == named
    assert start_of("auto", options) == "random"
