"""BEST-RQ pre-training by its command, interrupted, and a row that starts there."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from short_training import (
    AUDIO,
    AUDIO_AND_TEXT,
    interrupted_in_the_second_epoch,
    set_options,
)
from tiny_asr import TOKENS, write_stats, write_utterances

from espnet_plugin.bin import dual_mode_ssl_train, dual_mode_train
from espnet_plugin.dual_mode.options import SHAPING
from espnet_plugin.dual_mode.pretrained import check_same_encoder
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.jobs.pretraining_loss import loss_of

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf/dualmode"
TINY = CONF / "tiny_pretrain_best_rq.yaml"
CODES = "losses.0.objective.quantiser.codes"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("best_rq")
    written, stats = write_utterances(root / "data"), write_stats(root, 20)
    tokens = root / "tokens.txt"
    tokens.write_text("".join(f"{token}\n" for token in TOKENS))
    sets = {}
    for name, entries in (("audio", AUDIO), ("text", AUDIO_AND_TEXT)):
        options = ["--normalize_conf", f"stats_file={stats}", "--ngpu", "0"]
        options += ["--use_tensorboard", "false"]
        sets[name] = options + set_options(written.dir, entries)
    sets["text"] += ["--token_list", f"{tokens}", "--token_type", "char"]
    sets["text"] += ["--normalize", "global_mvn", "--num_att_plot", "0"]
    return SimpleNamespace(root=root, **sets)


def pretrain(data, folder):
    words = ["--config", f"{TINY}", "--output_dir", f"{folder}"]
    words += ["--fine_tuning_config", f"{CONF / 'tiny.yaml'}"]
    return dual_mode_ssl_train.main([*words, "--use_matplotlib", "false", *data.audio])


@pytest.fixture(scope="module")
def trained(data):
    folder = data.root / "exp/dual_pretrain_best_rq"
    assert pretrain(data, folder) == 0
    return folder


def test_the_command_trains_both_modes_to_the_end(trained):
    states = torch.load(trained / "checkpoint.pth", weights_only=True)
    for epoch in (1, 2):
        for part in ("train", "valid"):
            stats = states["reporter"]["stats"][epoch][part]
            for name in ("loss", "loss_full", "loss_streaming"):
                assert math.isfinite(stats[name]), (epoch, part, name)
            for name in ("acc_full", "acc_streaming", "chance"):
                assert 0.0 <= stats[name] <= 1.0
            assert 1.0 < stats["perplexity"] <= 16.0
    assert states["model"]["encoder.pruner.frozen"].item() == 1
    assert states["model"]["global_step"].item() == 6
    assert read_json(trained / "cost.json")["flops"] > 0
    assert read_json(trained / "meta.json")["method"] == "dual_mode_best_rq"


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(data, trained):
    folder = data.root / "exp/resumed"
    with interrupted_in_the_second_epoch():
        assert pretrain(data, folder) == 130
    middle = torch.load(folder / "checkpoint.pth", weights_only=True)["model"]
    assert int(middle["global_step"]) == 3
    assert pretrain(data, folder) == 0
    ours, theirs = (
        torch.load(one / "checkpoint.pth", weights_only=True)["model"]
        for one in (folder, trained)
    )
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name
    assert torch.equal(middle[CODES], ours[CODES])


def train_row(data, row, checkpoint):
    words = ["--config", f"{CONF / 'tiny.yaml'}", "--rows", f"{row}"]
    words += ["--exp_dir", f"{data.root / 'exp'}", "--pretrained", f"{checkpoint}"]
    return dual_mode_train.main([*words, "--max_epoch", "2", *data.text])


def test_a_row_starts_from_it_and_the_other_rows_do_not(data, trained, caplog):
    rows, checkpoint = CONF / "rows", trained / "latest.pth"
    # Not the row that says it began with wav2vec 2.0.
    assert train_row(data, rows / "pretrained_50.yaml", checkpoint) == 2
    assert "was pre-trained with best_rq, but the row pretrained_50" in caplog.text
    assert train_row(data, rows / "pretrained_best_rq_50.yaml", checkpoint) == 0
    folder = data.root / "exp/dual_pretrained_best_rq_50_s1"
    meta = read_json(folder / "meta.json")
    assert meta["after"] == trained.name
    start = torch.load(checkpoint, weights_only=True)
    end = torch.load(folder / "latest.pth", weights_only=True)
    names = [n for n in start if n.startswith("encoder.") and "pruner" not in n]
    near = [(end[n] - start[n]).abs().mean() for n in names if start[n].dim() > 1]
    far = [start[n].abs().mean() for n in names if start[n].dim() > 1]
    # A few small steps away, not a fresh draw.
    assert sum(near) < 0.3 * sum(far)


def test_a_row_may_leave_open_which_pretraining_and_name_no_other(data, trained):
    row = data.root / "any.yaml"
    row.write_text("pretrained: true\n")
    assert dual_mode_train.read_row(row)["pretrained"] is True
    row.write_text("pretrained: hubert\n")
    with pytest.raises(UserError, match="pretrained 'hubert'.*wav2vec2, best_rq"):
        dual_mode_train.read_row(row)


def test_features_that_are_not_normalised_are_refused():
    from espnet_plugin.tasks.dual_mode_ssl import DualModeSSLTask

    args = DualModeSSLTask.get_parser().parse_args([])
    args.normalize = None
    args.loss = [{"name": "best_rq", "conf": {}}]
    with pytest.raises(UserError, match="normalize null.*best_rq.*global_mvn"):
        DualModeSSLTask.build_model(args)


def test_the_shipped_configurations_fit_together():
    an4 = ROOT / "egs2/an4/dualmode1/conf/dualmode/train_an4.yaml"
    for one, other in (
        (CONF / "pretrain_best_rq.yaml", CONF / "train.yaml"),
        (CONF / "pretrain_best_rq.yaml", an4),
        (TINY, CONF / "tiny.yaml"),
    ):
        configs = [yaml.safe_load(file.read_text()) for file in (one, other)]
        assert loss_of(configs[0]) == "best_rq"
        check_same_encoder(*configs, SHAPING)
    # The two losses are compared on equal terms: all else is the same.
    ours, theirs = (
        yaml.safe_load((CONF / f"pretrain_{loss}.yaml").read_text())
        for loss in ("best_rq", "wav2vec2")
    )
    assert {k: v for k, v in ours.items() if k != "loss"} == {
        k: v for k, v in theirs.items() if k != "loss"
    }


def test_the_loss_of_a_configuration():
    assert loss_of({}) == loss_of({"loss": [{"name": "wav2vec2"}]}) == "wav2vec2"
    for wrong in ([], "best_rq", [{"conf": {}}], [3], [{"name": None}]):
        with pytest.raises(UserError, match="must be a list with one loss"):
            loss_of({"loss": wrong})
