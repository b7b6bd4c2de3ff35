"""Wrong values inside the sections of a training configuration."""

from pathlib import Path

import pytest
import yaml

from espnet_plugin import host
from espnet_plugin.bin import check_configs
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.configuration import check_configuration
from espnet_plugin.tasks.dual_mode import DualModeASRTask
from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask
from espnet_plugin.tasks.encrl import EncRLTask
from espnet_plugin.tasks.lm import CountedLMTask

ROOT = Path(__file__).parents[2]
CONFORMER = {"output_size": 16, "attention_heads": 4, "linear_units": 32}


@pytest.mark.parametrize(
    "content, says",
    [
        ({"optim": "adamw", "optim_conf": {"lrr": 0.1}}, "adamw .*lrr; did.* lr"),
        (
            {"encoder": "whisper", "init": "xavier_uniform"},
            "init xavier_uniform: .* pre-trained weights of encoder: whisper",
        ),
        ({"decoder": "whisper", "init": "normal"}, "init normal: .* decoder: whisper"),
        ({"optim": "adamww"}, "optim adamww: .*did you mean adamw"),
        ({"optim": "adamw", "optim_conf": {"lr": "0.1a"}}, "optim_conf .*'0.1a'"),
        ({"optim": "adam", "optim_conf": {"betas": [0.9]}}, r"optim_conf .*\[0.9\]"),
        ({"optim": "adam", "optim_conf": 0.1}, "optim_conf 0.1: must be a mapping"),
        (
            {"scheduler": "warmuplr", "scheduler_conf": {"warmup_step": 1}},
            "scheduler_conf: .*warmup_step; did you mean warmup_steps",
        ),
        (
            # YAML's 5e-4 is a text.
            {
                "scheduler": "exponentialdecaywarmup",
                "scheduler_conf": {"max_lr": "5e-4", "min_lr": 1e-6, "total_steps": 9},
            },
            "scheduler_conf .*'5e-4'.* of exponentialdecaywarmup: ",
        ),
        (
            {"scheduler": "warmuplr", "scheduler_conf": {"warmup_steps": "many"}},
            "scheduler_conf .*many.* of warmuplr: ",
        ),
        ({"scheduler": "warmup"}, "scheduler warmup: is not one of .*warmuplr"),
        (
            {"encoder": "conformer", "encoder_conf": {**CONFORMER, "num_block": 2}},
            "encoder_conf: encoder conformer .*num_block; did you mean num_blocks",
        ),
        (
            {"encoder": "conformer", "encoder_conf": {**CONFORMER, "num_blocks": "2"}},
            "encoder_conf of encoder conformer: .*num_blocks",
        ),
        (
            {
                "encoder": "conformer",
                "encoder_conf": {**CONFORMER, "attention_heads": 3},
            },
            "does not hold: n_feat % n_head == 0",
        ),
        ({"model_conf": {"ctc_wieght": 1.0}}, "model_conf: .*ctc_weight"),
        ({"ctc_conf": {"dropout": 0.1}}, "ctc_conf: .*dropout_rate"),
        ({"frontend_conf": {"n_mel": 40}}, "frontend_conf: .*n_mels"),
        ({"specaug": "specaug"}, "specaug_conf of specaug .*time_mask"),
        ({"grad_clip": "five"}, "grad_clip 'five': must be of type float"),
        ({"accum_grad": 0}, "accum_grad 0: must be a whole number, 1 or more"),
        ({"num_workers": -1}, "num_workers -1"),
        ({"patience": -1}, "patience -1"),
        ({"batch_type": "numell"}, "batch_type numell: .*did you mean numel"),
        ({"best_model_criterion": [["valid", "loss"]]}, r"like \[valid, cer_ctc, min"),
        ({"best_model_criterion": [["valid", "loss", "low"]]}, "best_model_criterion"),
        ([], "must be a mapping"),
    ],
)
def test_a_wrong_value_is_named(content, says):
    with pytest.raises(UserError, match=f"^--x file.yaml.*{says}"):
        check_configuration(CountedASRTask, content, "--x file.yaml")


@pytest.mark.parametrize(
    "task, content, says",
    [
        (EncRLTask, {"model_conf": {"objectives": {"clap": {}}}}, "clap.*mean clip"),
        (
            EncRLTask,
            {"student_encoder": "conformer", "student_encoder_conf": {"head": 4}},
            "student_encoder_conf: conformer has no option head",
        ),
        (
            DualModeASRTask,
            {
                "encoder": "dual_mode_conformer",
                "encoder_conf": {"output_size": 16, "attention_heads": 3},
            },
            "encoder_conf: attention_heads 3",
        ),
        (
            CountedLMTask,
            {"lm_conf": {"unitt": 3}, "lm": "transformer"},
            "no option unitt; did you mean unit",
        ),
    ],
)
def test_of_other_tasks(task, content, says):
    host.register()
    with pytest.raises(UserError, match=says):
        check_configuration(task, content, "file.yaml")


def test_values_as_espnets_recipes_write_them():
    """In YAML "none" is text, which ESPnet's parser reads as None."""
    content = {
        **dict.fromkeys(("patience", "num_iters_per_epoch", "log_interval"), "none"),
        **dict.fromkeys(("init", "scheduler", "normalize", "specaug"), "none"),
        **{"max_epoch": "50", "valid_batch_bins": "null", "optim": "Adam"},
        "best_model_criterion": [["valid", "acc", "max"], ["train", "loss", "min"]],
    }
    args = CountedASRTask.get_parser().parse_args([])
    parser = CountedASRTask.get_parser()
    parser.set_defaults(**{k: v for k, v in content.items() if k in vars(args)})
    read = parser.parse_args([])
    assert (read.patience, read.max_epoch, read.scheduler) == (None, 50, None)
    check_configuration(CountedASRTask, content, "file.yaml")


def configurations():
    """Every training configuration of the repository, with the task it is for."""
    for file in sorted(
        {*ROOT.glob("conf/**/*.yaml"), *ROOT.glob("egs2/*/*/conf/**/*")}
    ):
        parts = file.relative_to(ROOT).parts
        if (
            file.suffix != ".yaml"
            or file.is_symlink()
            or {"rows", "baselines"} & {*parts}
        ):
            continue
        if "lmprune" in parts:
            task = None if "fine_tune" in file.name else CountedLMTask
        elif "dualmode" in parts:
            task = DualModeSSLTask if "pretrain" in file.name else DualModeASRTask
        else:
            encrl = "objectives" in file.read_text()
            task = EncRLTask if encrl else CountedASRTask
        if task is not None:
            yield pytest.param(task, file, id=str(file.relative_to(ROOT)))


@pytest.mark.parametrize("task, file", configurations())
def test_those_of_the_repository_are_right(task, file):
    host.register()
    check_configuration(task, yaml.safe_load(file.read_text()), str(file))


def test_the_command_checks_each_content_once(tmp_path, monkeypatch, caplog):
    file, record = tmp_path / "a.yaml", tmp_path / "exp/right.json"
    file.write_text("max_epoch: 3\n")
    given = [f"asr:--finetune_config:{file}", "--record", str(record)]
    assert check_configs.main(given) == 0
    (digest,) = read_json(record)["right"]
    module = "espnet_plugin.tasks.configuration.check_configuration"
    monkeypatch.setattr(module, lambda *_: pytest.fail("checked again"))
    assert check_configs.main(given) == 0
    monkeypatch.undo()
    file.write_text("max_epoch: 0\n")
    assert check_configs.main(given) == 2
    assert f"--finetune_config {file}: max_epoch 0" in caplog.text
    assert read_json(record)["right"] == [digest]
    # A record that a power cut has emptied only means that they are checked again.
    file.write_text("max_epoch: 3\n")
    for damaged in ("", "[]", '{"right": 7}'):
        record.write_text(damaged)
        assert check_configs.main(given) == 0
        assert read_json(record)["right"] == [digest]
