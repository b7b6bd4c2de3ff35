"""Supervised dual-mode training: interrupted or not, and what it refuses beforehand."""

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
import yaml
from short_training import (
    AUDIO_AND_TEXT,
    interrupted_in_the_second_epoch,
    set_options,
)
from tiny_asr import TOKENS, write_stats, write_utterances

from espnet_plugin.bin import dual_mode_train
from espnet_plugin.bin.dual_mode_train import overridden, read_row
from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.decode.run import decode_model
from espnet_plugin.decode.sets import DecodeSet
from espnet_plugin.dual_mode.load import load_recogniser
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.files import read_json, read_pairs
from espnet_plugin.jobs.dual import (
    Start,
    average_epochs,
    train_dual_mode,
    write_recognisers,
)
from espnet_plugin.yaml_files import deep_merge

CONF = Path(__file__).parents[2] / "conf/dualmode"
TINY = CONF / "tiny.yaml"
META = Meta(method="dual_mode", seed=1, modes=("full",))
AVERAGED = Experiment("").final_masks_file.name


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("dual")
    written, stats = write_utterances(root / "data"), write_stats(root, 20)
    tokens = root / "tokens.txt"
    tokens.write_text("".join(f"{token}\n" for token in TOKENS))
    options = ["--token_list", f"{tokens}", "--token_type", "char", "--ngpu", "0"]
    options += ["--normalize", "global_mvn", "--normalize_conf", f"stats_file={stats}"]
    options += ["--use_tensorboard", "false", "--num_att_plot", "0", "--seed", "1"]
    options += set_options(written.dir, AUDIO_AND_TEXT)
    scp = written.dir / "wav.scp"
    return SimpleNamespace(root=root, options=options, wav_scp=scp)


def row_config(conf, changes):
    return deep_merge(conf, changes, null_removes=True)


def config(**changes):
    """Six utterances, two a batch: three batches an epoch."""
    conf = yaml.safe_load(TINY.read_text())
    conf["encoder_conf"].update(dropout_rate=0.1)
    # One pass a step: a resumed training has to draw the same passes.
    conf["model_conf"]["dual_mode"]["sampling"] = "one"
    conf.update(keep_nbest_models=2, **changes)
    return conf


@pytest.fixture(scope="module")
def whole(data):
    folder = data.root / "dual_whole"
    train_dual_mode(folder, config(), data.options, META)
    return folder


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(data, whole):
    folder = data.root / "dual_resumed"
    with interrupted_in_the_second_epoch():
        with pytest.raises(KeyboardInterrupt):
            train_dual_mode(folder, config(), data.options, META)
    path = folder / "checkpoint.pth"
    middle = torch.load(path, weights_only=True)["model"]
    assert int(middle["dual_mode_batches"]) == 3
    # In the middle of the mask schedule, which a training begun anew would not reach.
    assert int(middle["encoder.pruner.update"]) == 3
    assert not int(middle["encoder.pruner.frozen"])
    train_dual_mode(folder, config(), data.options, META)
    ours, theirs = (
        torch.load(one / "checkpoint.pth", weights_only=True)["model"]
        for one in (folder, whole)
    )
    assert int(theirs["dual_mode_batches"]) == 9 == int(theirs["encoder.pruner.update"])
    assert int(theirs["encoder.pruner.frozen"]) and ours.keys() == theirs.keys()
    assert any(not value.all() for name, value in theirs.items() if "mask_" in name)
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name
    averaged = [
        torch.load(one / AVERAGED, weights_only=True) for one in (folder, whole)
    ]
    assert all(torch.equal(averaged[0][name], averaged[1][name]) for name in theirs)


def test_it_says_what_it_started_from(data, whole):
    folder = data.root / "dual_after"
    changes = config(max_epoch=2)
    train_dual_mode(
        *(folder, changes, data.options, META, Start(whole / AVERAGED, whole=True))
    )
    assert read_json(folder / "meta.json")["after"] == whole.name
    assert "after" not in read_json(whole / "meta.json")
    average_epochs(folder)


def test_another_criterion_is_replaced_aloud(data, caplog):
    conf = config(best_model_criterion=[["valid", "loss", "min"]])
    conf["model_conf"].update(report_cer=False, report_wer=False)
    with caplog.at_level(logging.WARNING), pytest.raises(UserError, match="report_cer"):
        train_dual_mode(data.root / "dual_no_cer", conf, data.options, META)
    assert "best_model_criterion [['valid', 'loss', 'min']] is replaced" in caplog.text
    assert not list((data.root / "dual_no_cer").glob("*.pth"))


def test_masks_that_would_never_be_final_are_refused_before_training(data):
    conf = config(max_epoch=1)
    conf["encoder_conf"]["pruning"]["end"] = 0.8
    with pytest.raises(UserError, match="pruning.end 0.8 of 3 updates"):
        train_dual_mode(data.root / "dual_late", conf, data.options, META)
    assert not list((data.root / "dual_late").glob("*.pth"))


def test_a_transducer_from_training_to_streamed_text(data):
    conf = config(max_epoch=2)
    conf = row_config(conf, read_row(CONF / "rows/transducer_50.yaml")["changes"])
    folder = data.root / "dual_transducer"
    meta = META.but(modes=("full", "streaming"))
    train_dual_mode(folder, conf, data.options, meta)
    assert read_json(folder / "cost.json")["flops"] > 0
    _, streaming = write_recognisers(folder, str(data.root / "asr_transducer"))
    kept = read_config(streaming / "config.yaml")
    assert kept["decoder"] == "transducer" and kept["encoder_conf"]["streaming_only"]
    # After six updates it says nothing but blank: make the rest likelier.
    state = torch.load(streaming / "model.pth", weights_only=True)
    state["joint_network.lin_out.bias"][0] -= 4.0
    torch.save(state, streaming / "model.pth")
    one = DecodeSet("all", [f"{data.wav_scp},speech,sound"], streaming / "all")
    paths = streaming / "config.yaml", streaming / "model.pth"
    (decoded,) = decode_model(*paths, [one], method="transducer")
    recogniser, texts = load_recogniser(streaming), read_pairs(decoded / "token_int")
    for name, path in read_pairs(data.wav_scp).items():
        samples, rate = soundfile.read(path, dtype="float32")
        recogniser.reset()
        for start in range(0, len(samples), 1601):
            recogniser.accept(samples[start : start + 1601], rate)
        said = recogniser.accept([], last=True)
        assert said.token_ids and " ".join(map(str, said.token_ids)) == texts[name]


def test_the_last_epoch_is_averaged_only_if_it_is_one_of_the_best(
    data, whole, tmp_path
):
    """ESPnet keeps it in any case: here it was the worst."""
    folder = tmp_path / "exp"
    shutil.copytree(whole, folder)
    state = torch.load(folder / "checkpoint.pth", weights_only=True)
    for epoch, rate in ((1, 0.5), (2, 0.1), (3, 0.9)):
        state["reporter"]["stats"][epoch]["valid"]["cer_final"] = rate
        weights = dict(torch.load(folder / "latest.pth", weights_only=True))
        weights["ctc.ctc_lo.bias"] = torch.full_like(
            weights["ctc.ctc_lo.bias"], float(epoch)
        )
        torch.save(weights, folder / f"{epoch}epoch.pth")
    torch.save(state, folder / "checkpoint.pth")
    assert (average_epochs(folder)["ctc.ctc_lo.bias"] == 1.5).all()


def test_masked_blocks_may_be_left_out_of_the_file(data):
    conf = config(max_epoch=2)
    conf = row_config(conf, read_row(CONF / "rows/blocks_50.yaml")["changes"])
    folder = data.root / "dual_blocks"
    train_dual_mode(folder, conf, data.options, META.but(modes=("streaming",)))
    (target,) = write_recognisers(folder, str(data.root / "asr_blocks"))
    whole, blocks = target / "model.pth", target / "model.blocks.pth"
    assert read_json(target / "meta.json")["blocks_file_bytes"] == blocks.stat().st_size
    ours, theirs = (
        load_asr_model(target / "config.yaml", path)[0].state_dict()
        for path in (blocks, whole)
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    packed = torch.load(blocks, weights_only=True)
    assert sum(v.layout == torch.sparse_bsr for v in packed.values()) > 10
    assert choose_checkpoint(target) == whole
    # Shipped alone, it is what the recogniser loads.
    speech = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    said = load_recogniser(target).accept(speech, last=True)
    whole.unlink()
    assert load_recogniser(target).accept(speech, last=True) == said


def test_what_a_row_puts_in_place_of_the_configurations_is_told():
    given = {
        "max_epoch": 12,
        "encoder_conf": {"pruning": {"sparsity": 0.3, "every": 2}},
    }
    changes = {
        "max_epoch": 12,
        "encoder_conf": {"pruning": {"sparsity": 0.5, "end": 1}},
    }
    assert list(overridden(given, changes)) == [
        ("encoder_conf.pruning.sparsity 0.5", "0.3")
    ]


def test_an_unfinished_pretraining_is_refused_before_any_work(tmp_path):
    folder = tmp_path / "dual_pretrain"
    folder.mkdir()
    (folder / "latest.pth").write_text("")
    (folder / "request.json").write_text("{}")
    args = dual_mode_train.get_parser().parse_args(
        ["--config", f"{TINY}", "--exp_dir", f"{tmp_path / 'exp'}"]
        + ["--rows", f"{CONF / 'rows/pretrained_50.yaml'}"]
        + ["--pretrained", f"{folder / 'latest.pth'}"]
    )
    with pytest.raises(UserError, match="dual_pretrain is not finished: run its stage"):
        dual_mode_train.train(args, [])
    assert not (tmp_path / "exp").exists()
