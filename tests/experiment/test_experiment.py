"""What an experiment folder holds, and what is said of what it lacks."""

import json
import subprocess
import sys

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.figures import Cost
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json, write_json

CONFIG = {
    "token_list": ["<blank>"],
    "encoder": "conformer",
    "encoder_conf": {"num_blocks": 3},
    "ctc_conf": {},
    "model_conf": {"ctc_weight": 1.0},
}

# As this plugin has written them so far.
FILES = {
    "reference": {
        "method": "reference",
        "variant": "",
        "seed": 1,
        "shared": None,
        "layers": 12,
        "width": 96,
        "params": 2880000,
        "params_nonzero": 2879999,
        "checkpoint": "valid.cer_ctc.ave.pth",
    },
    "imported": {
        "method": "reference",
        "variant": "imported",
        "layers": 12,
        "seed": 0,
        "shared": None,
        "params": 116,
        "source": "/models/a.zip",
        "source_sha256": "0a1b",
        "checkpoint": "valid.acc.ave.pth",
    },
    "encrl_run": {
        "method": "encrl_pretrain",
        "variant": "kl",
        "seed": 2,
        "serves": [6, 4, 2],
    },
    "family": {
        "method": "encrl_finetune",
        "variant": "",
        "seed": 1,
        "serves": [6, 4, 2],
        "after": "encrl_a_s1",
        "encrl_sha256": "ab",
        "layers": 6,
        "width": 96,
        "params": 5,
        "params_nonzero": 5,
        "checkpoint": "valid.cer_ctc.ave.pth",
    },
    "baseline": {
        "method": "width",
        "variant": "as 6 layers",
        "seed": 1,
        "size": 6,
        "shared": None,
        "linear_units": 200,
        "reference_sha256": "cd",
        "layers": 12,
        "width": 64,
        "params": 5,
        "params_nonzero": 5,
        "checkpoint": "valid.cer_ctc.ave.pth",
    },
    "recogniser": {
        "method": "dual_mode",
        "seed": 1,
        "variant": "50 % full",
        "shared": "dual_a_s1",
        "mode": "full",
        "sparsity": 0.0,
        "latency_ms": None,
        "latency_parts": None,
        "layers": 6,
        "width": 96,
        "params": 5,
        "params_nonzero": 5,
        "checkpoint": "model.pth",
    },
    "of_a_later_version": {
        "method": "x",
        "variant": "",
        "seed": 1,
        "shared": None,
        "colour": {"red": [1, 2]},
    },
}


@pytest.mark.parametrize("name", FILES)
def test_a_meta_file_is_written_as_it_was_read(name, tmp_path):
    experiment = Experiment(tmp_path)
    write_json(experiment.meta_file, FILES[name])
    meta = experiment.meta()
    experiment.write_meta(meta)
    assert read_json(tmp_path / "meta.json") == FILES[name]
    assert meta.serves_models == ("serves" in FILES[name])
    for key, value in FILES[name].items():
        if key != "colour":
            value = tuple(value) if isinstance(value, list) else value
            assert getattr(meta, key) == value


@pytest.mark.parametrize(
    "content, says",
    [
        ({"layers": "six"}, "layers is 'six', but must be a whole number"),
        ({"seed": True}, "seed is True, but must be a whole number"),
        ({"serves": 6}, "serves is 6, but must be a list"),
        ({"serves": [6, "4"]}, "serves is '4', but must be a whole number"),
        ({"checkpoint": ["a"]}, "checkpoint is .*, but must be text"),
        ([], "holds no keys"),
    ],
)
def test_a_damaged_meta_file_is_named_with_its_key(content, says, tmp_path):
    write_json(tmp_path / "meta.json", content)
    with pytest.raises(UserError, match=f"{tmp_path}/meta.json.*{says}"):
        Experiment(tmp_path).meta()


def test_what_identifies_a_model_may_be_demanded(tmp_path):
    path = tmp_path / "meta.json"
    meta = Meta(method="encrl", seed=1)
    with pytest.raises(UserError, match=r"meta.json lacks layers, params: "):
        meta.require(path, "method", "layers", "seed", "params")
    assert meta.require(path, "method", "seed") is meta


def test_costs_that_were_not_recorded_are_none(tmp_path):
    experiment = Experiment(tmp_path)
    text = '{"train_seconds": 3, "flops": NaN, "epochs": 2, "padding_seconds": 1.5}'
    experiment.cost_file.write_text(text)
    cost = experiment.cost()
    assert (cost.train_seconds, cost.epochs, cost.cpu_seconds) == (3, 2, None)
    assert cost.flops is None and cost.not_finite == ("flops",)
    assert cost.others == {"padding_seconds": 1.5}
    with pytest.raises(UserError, match="epochs is 1.5, but must be a whole number"):
        Cost.from_json({"epochs": 1.5}, experiment.cost_file)
    text = '{"encoder_rtf": 0.01, "load_average": 0.5, "parameters": {"total": 7}}'
    experiment.speed_file.write_text(text)
    speed = experiment.speed()
    assert (speed.encoder_rtf, speed.load_average) == (0.01, 0.5)
    assert speed.parameters == {"total": 7} and speed.chunk_rtf is None


def make(folder, meta=None, config=CONFIG, *files):
    folder.mkdir(parents=True, exist_ok=True)
    if meta is not None:
        write_json(folder / "meta.json", meta)
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for name in files:
        (folder / name).touch()
    return Experiment(folder)


def test_the_model_is_what_meta_names_or_the_best(tmp_path):
    ours = make(tmp_path / "a", FILES["recogniser"], CONFIG, "model.pth", "x.pth")
    assert ours.checkpoint().name == "model.pth"
    assert ours.model_files().config == tmp_path / "a/config.yaml"
    names = ["valid.acc.ave.pth", "valid.cer_ctc.ave.pth", "checkpoint.pth"]
    theirs = make(tmp_path / "b", None, CONFIG, *names)
    assert theirs.checkpoint().name == "valid.cer_ctc.ave.pth"
    assert theirs.checkpoint("valid.acc.ave.pth").name == "valid.acc.ave.pth"
    # By the accuracy of a decoder, where there is one, before the loss.
    names = ["valid.acc.ave.pth", "valid.loss.ave.pth"]
    for weight, name in ((1.0, names[1]), (0.3, names[0])):
        config = {**CONFIG, "model_conf": {"ctc_weight": weight}}
        assert make(tmp_path / "c", None, config, *names).checkpoint().name == name


def test_what_is_no_model_is_refused_with_the_way_out(tmp_path):
    run = make(tmp_path / "encrl_a_s1", FILES["encrl_run"], CONFIG, "latest.pth")
    with pytest.raises(UserError, match="encrl_a_s1 is not a model but a training"):
        run.checkpoint()
    gone = make(tmp_path / "a", FILES["recogniser"])
    with pytest.raises(UserError, match="a has no checkpoint 'model.pth'"):
        gone.checkpoint()
    begun = make(tmp_path / "asr_reference", None, CONFIG, "1epoch.pth")
    write_json(begun.request_file, {})
    with pytest.raises(
        UserError, match="has no meta.json: its training is not finished"
    ):
        begun.model_files()
    with pytest.raises(UserError, match="training is not finished: run stage 4"):
        begun.checkpoint()


@pytest.mark.parametrize(
    "name, stage",
    [
        ("asr_reference_s2", "stage 4 (reference)"),
        ("encrl_x_s1", "stage 5 (EncRL)"),
        (
            "asr_x_s1_6l",
            "the stage that trains it (6 for fine-tuning, 8 for baselines)",
        ),
        ("dual_x_s1", "stage 5 of the dual-mode recipe"),
    ],
)
def test_the_stage_that_makes_it_is_named(name, stage, tmp_path):
    folder = tmp_path / name
    with pytest.raises(UserError) as caught:
        Experiment(folder).meta()
    assert str(caught.value) == f"{folder} is missing: run {stage} first"
    with pytest.raises(UserError) as caught:
        make(folder, None, None).meta()
    assert str(caught.value) == f"{folder} has no meta.json: run {stage} first"


def test_everything_that_is_missing_is_listed(tmp_path):
    experiment = make(tmp_path / "a", FILES["baseline"], None)
    lines = experiment.missing()
    assert [line.split(":")[0] for line in lines] == [
        "config.yaml",
        "cost.json",
        "rtf.json",
    ]
    assert f"espnet_plugin.bin.evaluate {tmp_path}/a --only_rtf true" in lines[2]
    with pytest.raises(UserError, match="a has no rtf.json: run stage 7, or python"):
        experiment.speed()
    with pytest.raises(UserError, match="a has no cost.json: it is recorded during"):
        experiment.cost()
    with pytest.raises(UserError, match="best_path/dev has no score.json: run stage 7"):
        experiment.decoded("best_path", "dev").score()
    # A training that serves others is not timed, and of ESPnet's nothing is recorded.
    run = make(tmp_path / "encrl_a", FILES["encrl_run"])
    assert [line.split(":")[0] for line in run.missing()] == ["cost.json"]
    theirs = make(tmp_path / "asr_theirs")
    assert [line.split(":")[0] for line in theirs.missing()] == ["rtf.json"]
    with pytest.raises(UserError, match="not trained by this plugin.*import_reference"):
        theirs.meta()


def test_scores_of_both_kinds_are_found(tmp_path):
    experiment = Experiment(tmp_path)
    ours = experiment.decoded("best_path", "test")
    write_json(ours.score_file, {"wer": 3.0})
    theirs = tmp_path / "decode_asr_model/org/dev/score_wer/ref.trn"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    found = experiment.scored()
    assert set(found) == {"decode_best_path", "decode_asr_model"}
    assert found["decode_best_path"]["test"] == ours and ours.score() == {"wer": 3.0}
    dev = found["decode_asr_model"]["org/dev"]
    assert not dev.is_scored and dev.transcripts()[0] == theirs


def test_logs_and_epochs_come_in_their_order(tmp_path):
    experiment = Experiment(tmp_path)
    for name in ("train.log", "train.2.log", "train.10.log", "train.x.log"):
        (tmp_path / name).touch()
    names = [path.name for path in experiment.train_logs()]
    assert names == ["train.10.log", "train.2.log", "train.log"]
    for name in ("10epoch.pth", "9epoch.pth", "latest.pth", "checkpoint.pth"):
        (tmp_path / name).touch()
    assert [p.name for p in experiment.epoch_files()] == ["9epoch.pth", "10epoch.pth"]
    assert experiment.epoch_file(9).is_file() and not experiment.is_averaged
    experiment.averaged_file("loss").touch()
    assert experiment.is_averaged and experiment.encrl_file.is_file()


def test_it_is_read_without_torch_and_espnet(tmp_path):
    make(tmp_path, FILES["reference"], CONFIG, "valid.cer_ctc.ave.pth")
    code = (
        "import json, sys\n"
        "from espnet_plugin.experiment.folder import Experiment\n"
        f"files = Experiment({str(tmp_path)!r}).model_files()\n"
        "slow = [n for n in ('torch', 'espnet2', 'numpy') if n in sys.modules]\n"
        "print(json.dumps([str(files.checkpoint), slow]))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    checkpoint, slow = json.loads(printed.stdout)
    assert checkpoint == str(tmp_path / "valid.cer_ctc.ave.pth") and slow == []
