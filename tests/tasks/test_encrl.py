"""EncRL as ESPnet trains it: the teacher stays as it is, the student is plain."""

import hashlib
import json
import re

import pytest
import tiny_encrl
import torch
import yaml
from espnet2.tasks.asr import ASRTask
from plain_model import write_plain_model

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.checkpoints.plain import plain_config
from espnet_plugin.distill.teacher import encoder_outputs, exit_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.encrl import EncRLTask


def _digest(state):
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def trained(tiny_asr_model, tmp_path_factory):
    """A finished tiny run, with its model caught on the way out."""
    folder = tmp_path_factory.mktemp("encrl")
    caught = {}

    class Spy(EncRLTask):
        @classmethod
        def build_model(cls, args):
            model = super().build_model(args)
            caught["model"] = model
            caught["before"] = _digest(model.teacher.model.state_dict())
            caught["outputs"] = model.teacher(*tiny_encrl.batch())
            return model

        @classmethod
        def build_optimizers(cls, args, model):
            caught["optimizers"] = super().build_optimizers(args, model)
            return caught["optimizers"]

    # An initialisation that ESPnet applies to every parameter of the model.
    Spy.main(cmd=tiny_encrl.options(tiny_asr_model, folder, "--init", "xavier_uniform"))
    return folder, caught


def test_teacher_is_the_same_after_training(trained, tiny_asr_model):
    _, caught = trained
    teacher = caught["model"].teacher
    assert _digest(teacher.model.state_dict()) == caught["before"]
    # Still what was on disk: neither training nor `init` has touched it.
    stored = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    kept = {k: v for k, v in stored.items() if not k.startswith("decoder.")}
    assert _digest(teacher.model.state_dict()) == _digest(kept)
    again = teacher(*tiny_encrl.batch())
    assert torch.equal(again.encoding, caught["outputs"].encoding)
    assert torch.equal(again.log_posteriors, caught["outputs"].log_posteriors)


def test_teacher_stays_in_evaluation_mode_and_without_gradient(trained):
    model = trained[1]["model"].train()
    teacher = model.teacher.model
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    assert not model.teacher(*tiny_encrl.batch()).encoding.requires_grad


def test_teacher_is_in_no_checkpoint_and_no_optimiser(trained, tiny_asr_model):
    folder, caught = trained
    ours = {id(p) for p in caught["model"].teacher.model.parameters()}
    given = {
        id(p) for o in caught["optimizers"] for g in o.param_groups for p in g["params"]
    }
    assert given and not ours & given
    # The keys are exactly those of a stock ESPnet model of two layers.
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    config["encoder_conf"]["num_blocks"] = 2
    stock = ASRTask.get_parser().parse_args([])
    vars(stock).update(config)
    expected = set(ASRTask.build_model(stock).state_dict())
    averaged = torch.load(folder / "valid.loss.ave.pth", weights_only=True)
    assert set(averaged) == expected
    stored = torch.load(folder / "checkpoint.pth", weights_only=True)
    assert set(stored["model"]) == expected


def test_student_learns(trained):
    folder, _ = trained
    log = torch.load(folder / "checkpoint.pth", weights_only=True)["reporter"]["stats"]
    assert log[2]["train"]["loss"] < log[1]["train"]["loss"]


def test_exported_student_is_plain_and_computes_the_same(trained, tmp_path):
    folder, caught = trained
    config = yaml.safe_load((folder / "config.yaml").read_text())
    newest = folder / "latest.pth"
    path = write_plain_model(config, newest, [0, 1], tmp_path / "student/model.pth")
    plain, args = load_asr_model(path.parent / "config.yaml", path)
    assert args.model == "espnet" and type(plain).__name__ == "ESPnetASRModel"
    assert "objectives" not in args.model_conf
    model = caught["model"].eval()
    with torch.no_grad():
        ours, theirs = (encoder_outputs(m, *tiny_encrl.batch()) for m in (model, plain))
    assert torch.equal(ours.log_posteriors, theirs.log_posteriors)


def test_smaller_export_keeps_the_layers_it_names(trained, tmp_path):
    folder, caught = trained
    config = yaml.safe_load((folder / "config.yaml").read_text())
    path = write_plain_model(config, folder / "latest.pth", [1], tmp_path / "model.pth")
    state = torch.load(path, weights_only=True)
    source = torch.load(folder / "latest.pth", weights_only=True)
    name = "encoder.encoders.{}.feed_forward.w_1.weight"
    assert torch.equal(state[name.format(0)], source[name.format(1)])
    assert not any(re.match(r"encoder\.encoders\.1\.", key) for key in state)


def test_narrower_student_has_a_projection_that_is_not_exported(
    tiny_asr_model, tmp_path
):
    model, args = tiny_encrl.build(
        tiny_asr_model, tmp_path, "--student_output_size", "8"
    )
    assert args.encoder_conf["output_size"] == 8
    assert args.encoder_conf["linear_units"] == 16
    extra = [k for k in model.state_dict() if k.startswith("objectives.")]
    assert extra == ["objectives.terms.clip.projection.weight"]
    loss, stats, _ = model(*tiny_encrl.batch(), utt_id=["a", "b", "c"])
    assert torch.isfinite(loss) and set(stats) >= {"loss_clip", "loss_mse", "loss"}


def test_a_narrower_student_may_start_from_the_channels_that_matter(
    tiny_hybrid_model, tmp_path
):
    more = ["--student_output_size", "8", "--student_init", "last"]
    model, _ = tiny_encrl.build(tiny_hybrid_model, tmp_path, *more)
    ours, theirs = model.state_dict(), model.teacher.model.state_dict()
    kept = ours["ctc.ctc_lo.weight"]
    columns = [c.tolist() for c in theirs["ctc.ctc_lo.weight"].T]
    numbers = [columns.index(column.tolist()) for column in kept.T]
    assert len(numbers) == 8 and numbers == sorted(set(numbers))
    # The same channels in both layers, which are the reference's last two of three.
    for ours_at, theirs_at in ((0, 1), (1, 2)):
        name = "encoder.encoders.{}.feed_forward.w_1.weight"
        read = ours[name.format(ours_at)]
        rows = theirs[name.format(theirs_at)][:, numbers].tolist()
        assert len(read) == 16 and all(row in rows for row in read.tolist())
    copied = json.loads((tmp_path / "copied.json").read_text())
    assert not copied["mismatched"] and "ctc.ctc_lo.weight" in copied["copied"]
    assert all(name.startswith("objectives.") for name in copied["fresh"])


def test_ctc_in_the_same_steps_trains_the_ctc_layer(tiny_asr_model, tmp_path):
    more = ["--objectives", "clip", "--model_conf", "ctc_loss_weight=1.0"]
    model, _ = tiny_encrl.build(tiny_asr_model, tmp_path, *more)
    assert model.ctc.ctc_lo.weight.requires_grad


def test_hybrid_reference_serves_and_its_decoder_is_dropped(
    tiny_hybrid_model, tmp_path
):
    model, args = tiny_encrl.build(tiny_hybrid_model, tmp_path)
    assert model.teacher.model.decoder is None and model.decoder is None
    assert args.model_conf["ctc_weight"] == 1.0
    assert torch.isfinite(model(*tiny_encrl.batch())[0])


def test_clip_alone_leaves_the_ctc_layer_out(tiny_asr_model, tmp_path):
    model, _ = tiny_encrl.build(tiny_asr_model, tmp_path, "--objectives", "clip")
    assert list(model.objectives.terms) == ["clip"]
    assert not model.ctc.ctc_lo.weight.requires_grad


def test_copied_layers_start_as_the_teacher(tiny_asr_model, tmp_path):
    model, _ = tiny_encrl.build(
        tiny_asr_model,
        tmp_path,
        *("--student_num_layers", "3", "--student_init", "first"),
    )
    # All three layers copied: the student is the teacher.
    model.eval()
    ours, theirs = encoder_outputs(model, *tiny_encrl.batch()), model.teacher(
        *tiny_encrl.batch()
    )
    assert torch.equal(ours.encoding, theirs.encoding)
    assert model(*tiny_encrl.batch())[1]["loss_mse"] == 0


def test_by_default_a_shallower_student_copies_layers(tiny_asr_model, tmp_path):
    """Spaced: of three layers the first and the last; with its own width none."""
    two = ("--student_num_layers", "2")
    model, args = tiny_encrl.build(tiny_asr_model, tmp_path, *two)
    assert args.student_init == "spaced"  # what ESPnet writes to config.yaml
    ours, theirs = model.encoder, model.teacher.model.encoder
    for mine, copied in zip(ours.encoders, (theirs.encoders[0], theirs.encoders[2])):
        for name, value in mine.state_dict().items():
            assert torch.equal(value, copied.state_dict()[name]), name
    own = (*two, "--student_linear_units", "8")
    other, args = tiny_encrl.build(tiny_asr_model, tmp_path / "other", *own)
    assert args.student_init == "random"
    weights = other.encoder.encoders[0].self_attn.linear_q.weight
    assert not torch.equal(weights, theirs.encoders[0].self_attn.linear_q.weight)


def test_exits_match_the_teacher_in_the_same_step(tiny_asr_model, tmp_path):
    model, args = tiny_encrl.build(
        tiny_asr_model, tmp_path, "--student_num_layers", "3", "--student_exits", "1"
    )
    assert args.encoder_conf["interctc_layer_idx"] == [1]
    speech, lengths = tiny_encrl.batch()
    model.eval()
    with torch.no_grad():
        loss, stats, _ = model(speech, lengths)
        theirs = model.teacher(speech, lengths)
        # By hand: a stock model that ends after the first layer, and the whole one.
        whole = encoder_outputs(model, speech, lengths)
        state = {k: v for k, v in model.state_dict().items()}
        config = yaml.safe_load(yaml.safe_dump(vars(args)))
        torch.save(state, tmp_path / "all.pth")
        path = write_plain_model(
            config, tmp_path / "all.pth", [0], tmp_path / "one/model.pth"
        )
        first, _ = load_asr_model(path.parent / "config.yaml", path)
        cut = encoder_outputs(first, speech, lengths)
        expected = [model.objectives(ours, theirs)[0] for ours in (cut, whole)]
    assert loss.item() == pytest.approx(sum(expected).item() / 2, rel=1e-5)
    assert stats["loss_mse_layer1"] != stats["loss_mse"]


def test_exits_have_weights_of_their_own(tiny_asr_model, tmp_path):
    exits = ("--student_num_layers", "3", "--student_exits", "1", "2")
    speech, lengths = tiny_encrl.batch()
    losses = {}
    own = ("--model_conf", "exit_weights={1: 0.25}")
    for name, given in {"equal": (), "own": own}.items():
        torch.manual_seed(0)
        model, args = tiny_encrl.build(tiny_asr_model, tmp_path / name, *exits, *given)
        model.eval()
        with torch.no_grad():
            losses[name], stats, _ = model(speech, lengths)
            theirs = model.teacher(speech, lengths)
            each = [
                model.objectives(ours, theirs)[0].item()
                for ours in exit_outputs(model, speech, lengths)
            ]
    assert losses["equal"].item() == pytest.approx(sum(each) / 3, rel=1e-5)
    weighted = (0.25 * each[0] + each[1] + each[2]) / 2.25
    assert losses["own"].item() == pytest.approx(weighted, rel=1e-5)
    assert weighted != pytest.approx(sum(each) / 3, rel=1e-3)
    # The cut model is a stock one, which does not know the option.
    assert "exit_weights" in args.model_conf
    assert "exit_weights" not in plain_config(vars(args), 1)["model_conf"]


@pytest.mark.parametrize(
    "given, said",
    [
        ("{2: 1.0}", "exit_weights 2: the student has no exit .*exits: 1;"),
        ("{1: -1}", "exit_weights 1: -1: must be 0 or more"),
        ("{1: much}", "exit_weights 1: 'much': must be 0 or more"),
        ("3", "exit_weights 3: give layers and weights"),
    ],
)
def test_refuses_wrong_weights_of_exits(tiny_asr_model, tmp_path, given, said):
    options = ("--student_num_layers", "3", "--student_exits", "1")
    with pytest.raises(UserError, match=said):
        tiny_encrl.build(
            tiny_asr_model, tmp_path, *options, "--model_conf", f"exit_weights={given}"
        )


def test_transcripts_may_join_in(tiny_asr_model, tmp_path):
    conf = ("--model_conf", "ctc_loss_weight=0.5")
    model, _ = tiny_encrl.build(tiny_asr_model, tmp_path, *conf)
    speech, lengths = tiny_encrl.batch()
    text, text_lengths = torch.full((3, 4), 5), torch.tensor([4, 3, 2])
    text[:, 1::2] = 7
    model.eval()
    with torch.no_grad():
        loss, stats, _ = model(speech, lengths, text, text_lengths)
        ours = encoder_outputs(model, speech, lengths)
        ctc = torch.nn.functional.ctc_loss(
            ours.log_posteriors.transpose(0, 1),
            text,
            ours.lengths,
            text_lengths,
            reduction="sum",
        )
        matched, _ = model.objectives(ours, model.teacher(speech, lengths))
    # ESPnet's CTC is the mean over the batch.
    assert loss.item() == pytest.approx((matched + 0.5 * ctc / 3).item(), rel=1e-5)
    with pytest.raises(UserError, match="ctc_loss_weight needs transcripts"):
        model(speech, lengths)
    with pytest.raises(UserError, match="ctc_loss_weight -1"):
        tiny_encrl.build(tiny_asr_model, tmp_path, "--model_conf", "ctc_loss_weight=-1")


def test_audio_without_transcripts_is_trained_on(tiny_asr_model, tmp_path):
    options = tiny_encrl.options(tiny_asr_model, tmp_path / "encrl", "--max_epoch", "1")
    index = options.index(f"{tiny_asr_model.text},text,text")
    unlabelled = options[: index - 1] + options[index + 1 :]
    EncRLTask.main(cmd=unlabelled)
    state = torch.load(tmp_path / "encrl/checkpoint.pth", weights_only=True)
    stats = state["reporter"]["stats"][1]
    assert stats["train"]["loss"] > 0
    assert "cer_ctc" in stats["valid"]  # the validation data has its transcripts
    args = EncRLTask.get_parser().parse_args(
        [*unlabelled, "--model_conf", "ctc_loss_weight=0.5"]
    )
    with pytest.raises(UserError, match="ctc_loss_weight needs transcripts, but"):
        EncRLTask.build_model(args)


def test_a_copied_front_end_may_be_frozen_and_stays_the_reference_s(
    tiny_asr_model, tmp_path
):
    options = ("--student_init", "first", "--freeze_param", "encoder.embed")
    args = tiny_encrl.options(tiny_asr_model, tmp_path, *options)
    EncRLTask.main(cmd=[*args, "--max_epoch", "1"])
    before = torch.load(tiny_asr_model.checkpoint, weights_only=True)
    after = torch.load(tmp_path / "1epoch.pth", weights_only=True)
    changed = {n for n in after if n in before and not torch.equal(after[n], before[n])}
    assert any(name.startswith("encoder.encoders.0") for name in changed)
    assert not any(name.startswith("encoder.embed") for name in changed)
    kernel = after["encoder.embed.conv.2.weight"]  # for a faster forward pass
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_the_teacher_keeps_no_attention(tiny_asr_model, tmp_path):
    """ESPnet's layers keep their last weights, (batch, heads, frames, frames) each."""
    teacher = tiny_encrl.build(tiny_asr_model, tmp_path)[0].teacher

    def kept():
        found = (getattr(module, "attn", None) for module in teacher.model.modules())
        return sum(one.nbytes for one in found if torch.is_tensor(one))

    speech, lengths = tiny_encrl.batch()
    with torch.no_grad():
        encoding, frames = teacher.model.encode(speech, lengths)
    assert kept() > 3 * 4 * len(speech) * int(frames.max()) ** 2  # stock: it does
    outputs = teacher(speech, lengths)
    assert torch.equal(outputs.encoding, encoding)
    assert kept() == 0
