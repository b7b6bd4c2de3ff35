"""Options, references and data that EncRL refuses, with the reason."""

from argparse import Namespace
from pathlib import Path

import pytest
import soundfile
import tiny_encrl
import torch

from espnet_plugin.distill.objectives import EncoderOutputs
from espnet_plugin.distill.teacher import encoder_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.encrl import EncRLTask
from espnet_plugin.tasks.encrl_checks import check_inputs
from espnet_plugin.tasks.encrl_options import EncrlTaskOptions


@pytest.mark.parametrize(
    "options, message",
    [
        (["--student_num_layers", "4"], "4 layers cannot be made from 3"),
        (["--student_layers", "0", "7"], r"--student_layers \[7\]"),
        (["--student_output_size", "9"], "multiple of the student's 2"),
        (
            ["--student_output_size", "24", "--student_init", "last"],
            "--student_init last with width 24: .* at most 16",
        ),
        (
            ["--student_output_size", "8", "--student_init", "last"]
            + ["--student_encoder_conf", "attention_heads=4"],
            "--student_init last: .* cannot be cut .* other attention heads .*random",
        ),
        (
            ["--student_linear_units", "8", "--student_layers", "0"],
            r"--student_layers \[0\]: .*w_1.weight is \[8, 16\], not \[32, 16\]",
        ),
        (
            ["--student_init", "first"]
            + ["--student_encoder_conf", "macaron_style=true"],
            "it lacks encoder.encoders.0.feed_forward_macaron",
        ),
        (
            ["--student_encoder", "transformer", "--student_init", "last"],
            "--student_encoder transformer cannot copy the layers .* conformer",
        ),
        (
            ["--student_encoder", "transformer", "--student_num_layers", "0"],
            "--student_num_layers 0",
        ),
        (["--student_encoder", "rnn"], "has no num_blocks"),
        (
            ["--student_encoder_conf", "num_blocks=2"],
            "student_encoder_conf num_blocks: use --student_num_layers",
        ),
        (
            ["--student_encoder_conf", "cnn_kernel=3"],
            "cnn_kernel: encoder conformer has no such option: .*cnn_module_kernel",
        ),
        (["--objectives", "nonsense"], "'nonsense' is not one of clip, frame_contrast"),
        (
            ["--specaug", "specaug", "--specaug_conf", "apply_time_warp=true"],
            "apply_time_warp must be false",
        ),
    ],
)
def test_wrong_options_are_named(tiny_asr_model, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        tiny_encrl.build(tiny_asr_model, tmp_path, *options)


def test_missing_reference_is_named(tiny_asr_model, tmp_path):
    with pytest.raises(UserError, match="no_such.pth"):
        tiny_encrl.build(
            tiny_asr_model,
            tmp_path,
            *("--reference_model_file", str(Path(tmp_path, "no_such.pth"))),
        )


def test_non_finite_loss_names_the_utterances(tiny_asr_model, tmp_path):
    model, _ = tiny_encrl.build(tiny_asr_model, tmp_path)
    model.teacher = lambda speech, lengths, *_: EncoderOutputs(
        *(
            torch.full_like(x, float("nan"))
            for x in (
                encoder_outputs(model, speech, lengths).encoding,
                encoder_outputs(model, speech, lengths).log_posteriors,
            )
        ),
        encoder_outputs(model, speech, lengths).lengths,
    )
    with pytest.raises(UserError, match="loss is nan on .*'utt7'"):
        model(*tiny_encrl.batch(), utt_id=["utt7", "b", "c"])


def test_other_frame_rates_are_refused(tiny_asr_model, tmp_path):
    model, _ = tiny_encrl.build(tiny_asr_model, tmp_path)
    teacher = model.teacher

    def doubled(speech, lengths, *_):
        out = teacher(speech, lengths)
        return EncoderOutputs(out.encoding, out.log_posteriors, out.lengths * 2)

    model.teacher = doubled
    with pytest.raises(UserError, match="must agree, and specaug_conf"):
        model(*tiny_encrl.batch())


def test_features_for_a_reference_that_takes_audio_are_refused(
    tiny_asr_model, tmp_path
):
    data = f"{tmp_path}/feats.scp,speech,npy"
    with pytest.raises(UserError, match="feats.scp holds features.*--feats_type raw$"):
        tiny_encrl.build(
            tiny_asr_model,
            tmp_path,
            *("--train_data_path_and_name_and_type", data),
        )


def test_audio_of_another_rate_than_the_references_is_refused(tiny_asr_model, tmp_path):
    soundfile.write(tmp_path / "a.wav", torch.randn(8000).numpy(), 8000)
    (tmp_path / "wav.scp").write_text(f"a {tmp_path}/a.wav\n")
    data = f"{tmp_path}/wav.scp,speech,sound"
    with pytest.raises(UserError, match="a.wav has 8000 Hz, but .* for 16000 .*--fs 1"):
        tiny_encrl.build(
            tiny_asr_model,
            tmp_path,
            *("--train_data_path_and_name_and_type", data),
        )


def test_features_of_another_width_than_the_references_are_refused(
    tiny_asr_model, tmp_path
):
    shapes = tmp_path / "feats_shape"
    shapes.write_text("a 100,80\nb 90,80\n")
    data = ("--train_data_path_and_name_and_type", "feats.scp,speech,npy")
    more = [*data, "--train_shape_file", str(shapes)]
    cmd = ["--output_dir", str(tmp_path), "--reference_config", "config.yaml", *more]
    cmd += ["--reference_model_file", "model.pth"]
    cmd += ["--valid_data_path_and_name_and_type", "feats.scp,speech,npy"]
    asked = EncrlTaskOptions.from_args(EncRLTask.get_parser().parse_args(cmd))
    # As ESPnet writes the configuration of a model that was trained on features.
    reference = Namespace(frontend=None, frontend_conf={}, input_size=23)
    with pytest.raises(
        UserError, match="have 80 values per frame, but the reference takes 23"
    ):
        check_inputs(asked, reference)
    check_inputs(asked, Namespace(**{**vars(reference), "input_size": 80}))
    # Lengths alone say nothing of it.
    shapes.write_text("a 100\n")
    check_inputs(asked, reference)


@pytest.mark.parametrize("exits", [["2"], ["0", "1"]])
def test_exits_out_of_range(tiny_asr_model, tmp_path, exits):
    with pytest.raises(UserError, match="--student_exits .* must be from 1 to 1"):
        tiny_encrl.build(tiny_asr_model, tmp_path, "--student_exits", *exits)


@pytest.mark.parametrize(
    "init, name, message",
    [
        ("random", "encoder.embed", "encoder.embed: encoder.embed.* would keep random"),
        ("first", "encoder.embde", r"no such parameter; did you mean encoder\.embed\?"),
    ],
)
def test_random_or_unknown_weights_are_not_frozen(
    tiny_asr_model, tmp_path, init, name, message
):
    options = ("--student_init", init, "--freeze_param", name)
    with pytest.raises(UserError, match=message):
        tiny_encrl.build(tiny_asr_model, tmp_path, *options)
