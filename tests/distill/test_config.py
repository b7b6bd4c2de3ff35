"""A student's configuration follows from its reference's."""

import argparse
import copy

import pytest
import yaml

from espnet_plugin.distill.config import derive_student
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.distill.students import StudentLayers
from espnet_plugin.errors import UserError


def reference_of(made):
    return argparse.Namespace(**yaml.safe_load(made.config.read_text()))


@pytest.fixture
def reference(tiny_asr_model):
    return reference_of(tiny_asr_model)


def derive(reference, copied=None, **given):
    """Return the settings of a student of two layers, unless ``given`` says more."""
    student = StudentOptions(**{"num_layers": 2, **given})
    layers = StudentLayers(student.num_layers, copied)
    settings = derive_student(student, reference, 16, layers)
    return argparse.Namespace(**settings)


def test_takes_over_what_outputs_depend_on(reference):
    before = copy.deepcopy(vars(reference))
    args = derive(reference)
    for name in (
        "token_list",
        "frontend",
        "frontend_conf",
        "normalize_conf",
        "encoder",
    ):
        assert getattr(args, name) == before[name]
    assert args.encoder_conf == {**before["encoder_conf"], "num_blocks": 2}
    assert (args.model, args.decoder, args.decoder_conf) == ("encrl", None, {})
    assert args.model_conf == {"ctc_weight": 1.0, "teacher_dim": 16}
    assert vars(reference) == before  # changed in place it would spoil the teacher


def test_a_hybrid_reference_gives_a_ctc_student(tiny_hybrid_model):
    reference = reference_of(tiny_hybrid_model)
    assert reference.model_conf["ctc_weight"] == 0.3
    assert reference.decoder == "transformer"
    args = derive(reference, model_conf={"objectives": {"clip": {}}})
    assert args.model_conf == {
        "ctc_weight": 1.0,
        "teacher_dim": 16,
        "objectives": {"clip": {}},
    }
    assert args.decoder is None


def test_width(reference):
    args = derive(reference, output_size=8)
    assert args.encoder_conf["output_size"] == 8
    assert args.encoder_conf["linear_units"] == 16  # 32 of 16, as in the reference
    args = derive(reference, output_size=24, linear_units=20)
    assert args.encoder_conf["output_size"] == 24
    assert args.encoder_conf["linear_units"] == 20


@pytest.mark.parametrize("size", [9, 0, -2])
def test_width_must_fit_the_heads(reference, size):
    with pytest.raises(UserError, match=f"--student_output_size {size}.* 2 attention"):
        derive(reference, output_size=size)


def test_intermediate_ctc_is_left_out(reference):
    reference.encoder_conf["interctc_layer_idx"] = [1]
    args = derive(reference)
    assert "interctc_layer_idx" not in args.encoder_conf


class TestEncoder:
    """What differs from the reference is what was asked for."""

    def test_options_of_the_same_encoder(self, reference):
        args = derive(reference, encoder_conf={"cnn_module_kernel": 5})
        expected = {**reference.encoder_conf, "num_blocks": 2, "cnn_module_kernel": 5}
        assert args.encoder_conf == expected
        assert "resample_targets" not in args.model_conf

    def test_a_given_width_of_feed_forward_modules_stays(self, reference):
        given = {"linear_units": 12}
        args = derive(reference, output_size=8, encoder_conf=given)
        assert args.encoder_conf["linear_units"] == 12

    def test_another_encoder_has_what_means_the_same(self, reference):
        args = derive(reference, encoder="e_branchformer", num_layers=7)
        assert args.encoder == "e_branchformer"
        assert args.encoder_conf == {
            "output_size": 16,
            "attention_heads": 2,
            "linear_units": 32,
            "num_blocks": 7,
            "dropout_rate": 0.1,
            "positional_dropout_rate": 0.1,  # Conformer's default
            "attention_dropout_rate": 0.0,
            "input_layer": "conv2d",
            "rel_pos_type": "latest",
        }
        assert "resample_targets" not in args.model_conf

    @pytest.mark.parametrize("encoder", [None, "transformer"])
    def test_another_input_layer_resamples(self, reference, encoder):
        conf = {"input_layer": "conv2d8"}
        args = derive(reference, encoder=encoder, encoder_conf=conf)
        assert args.model_conf["resample_targets"] is True
        # As a resumed run reads it.
        again = derive(
            reference,
            encoder=encoder,
            encoder_conf=conf,
            specaug=args.specaug,
            specaug_conf=args.specaug_conf,
            model_conf=args.model_conf,
        )
        assert vars(again) == vars(args)

    def test_a_reference_whose_frames_are_counted_otherwise_is_resampled(
        self, reference
    ):
        reference.encoder, reference.encoder_conf = "vgg_rnn", {"output_size": 16}
        args = derive(reference, encoder="transformer")
        assert args.model_conf["resample_targets"] is True

    def test_options_of_each_layer_follow_the_layers(self, reference):
        reference.encoder_conf["stochastic_depth_rate"] = [0.0, 0.1, 0.2]
        args = derive(
            reference,
        )
        args = derive(reference, copied=(1, 2))
        assert args.encoder_conf["stochastic_depth_rate"] == [0.1, 0.2]
        args = derive(reference, num_layers=1)
        assert args.encoder_conf["stochastic_depth_rate"] == [0.2]

    def test_frames_are_not_trimmed(self, reference):
        reference.encoder_conf["ctc_trim"] = True
        args = derive(reference)
        assert "ctc_trim" not in args.encoder_conf

    def test_a_reference_that_is_a_front_end_only_needs_an_encoder(self, reference):
        reference.encoder, reference.encoder_conf = None, {}
        with pytest.raises(UserError, match="give the student's encoder with"):
            derive(reference)


class TestFrontEnd:
    """A student need not carry a large front end along."""

    def test_its_own(self, reference):
        reference.preencoder, reference.preencoder_conf = "linear", {"output_size": 80}
        own = {"hop_length": 256, "n_mels": 12}
        args = derive(reference, frontend="default", frontend_conf=own)
        assert (args.frontend, args.frontend_conf) == ("default", own)
        # These stay as they were given.
        assert not {"normalize", "normalize_conf", "preencoder"} & vars(args).keys()
        assert args.model_conf["resample_targets"] is True
        assert args.token_list == reference.token_list

    def test_options_without_it(self, reference):
        with pytest.raises(UserError, match="needs --student_frontend"):
            derive(reference, frontend_conf={"n_mels": 12})

    def test_not_where_features_are_given(self, reference):
        reference.frontend = None
        with pytest.raises(UserError, match="--student_frontend .* takes features"):
            derive(reference, frontend="default")


class TestTimeWarp:
    """A warped student frame has no teacher frame beside it."""

    @pytest.mark.parametrize("conf", [{"apply_time_warp": True}, {}])
    def test_of_the_reference_is_switched_off(self, reference, conf, caplog):
        reference.specaug_conf = {"time_mask_width_range": [0, 9], **conf}
        args = derive(reference)
        assert args.specaug_conf == {
            "time_mask_width_range": [0, 9],
            "apply_time_warp": False,
        }
        assert "apply_time_warp" in caplog.text

    def test_asked_for_is_an_error(self, reference):
        own = {"specaug": "specaug", "specaug_conf": {"apply_time_warp": True}}
        with pytest.raises(UserError, match="apply_time_warp must be false"):
            derive(reference, **own)

    def test_of_ones_own_specaug_is_off_by_default(self, reference):
        args = derive(reference, specaug="specaug", specaug_conf={"num_time_mask": 3})
        assert args.specaug_conf == {"num_time_mask": 3, "apply_time_warp": False}

    def test_nothing_to_say_without_specaug(self, reference, caplog):
        reference.specaug = None
        derive(reference)
        assert not caplog.text


def test_unknown_model_option_is_an_error(reference):
    with pytest.raises(UserError, match=r"model_conf \['objective'\]"):
        derive(reference, model_conf={"objective": {"clip": {}}})


def test_its_own_result_can_be_given_again(reference):
    args = derive(reference)
    again = derive(
        reference,
        specaug=args.specaug,
        specaug_conf=args.specaug_conf,
        model_conf=args.model_conf,
    )
    assert vars(again) == vars(args)
