"""Two ranks on CPUs, through ESPnet's own trainer: the same training, and its end."""

import os
import signal
import time

import pytest
import tiny_asr
import tiny_encrl
import torch
import torch.distributed as dist
import yaml
from espnet2.train.distributed_utils import DistributedOption
from one_epoch import train_epoch
from tiny_asr import build_tiny_asr
from two_ranks import RANKS, exit_codes, start

from espnet_plugin.bin import encrl_train, train_models
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.files import read_json

pytestmark = pytest.mark.slow

TRAINING = {
    "model_conf": {"objectives": {"clip": {}, "mse": {}}},
    "batch_type": "sorted",
    "batch_size": 3,  # utterances: two for one rank, one for the other
    "min_batch_size": 2,
    "grad_clip": 5,
    "num_workers": 0,
    "use_matplotlib": False,
    "use_tensorboard": False,
    "optim": "sgd",
    "optim_conf": {"lr": 0.01},
    "best_model_criterion": [["valid", "loss", "min"]],
    "keep_nbest_models": 2,
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A reference without what is random in training or differs between ranks."""
    conf = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0}
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        # ESPnet's last frames depend, by a hair, on the padding behind them, and the
        # ranks' batches would be padded otherwise than the whole one.
        patch.setattr(tiny_asr, "DURATIONS_S", (0.9,) * 6)
        made = build_tiny_asr(folder, encoder="transformer", encoder_conf=conf)
    config = yaml.safe_load(made.config.read_text())
    made.config.write_text(yaml.safe_dump({**config, "specaug": None}))
    return made


def command(reference, output, *more):
    config = output.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(TRAINING))
    cmd = [
        *("--config", f"{config}", "--output_dir", f"{output}", "--ngpu", "0"),
        *("--reference_config", f"{reference.config}"),
        *("--reference_model_file", f"{reference.checkpoint}"),
        *("--student_num_layers", "2", "--student_init", "last"),
    ]
    return [*cmd, *data_options(reference), *more]


def data_options(reference):
    cmd = []
    for part in ("train", "valid"):
        cmd += [f"--{part}_shape_file", f"{reference.data_dir / 'utt2num_samples'}"]
        for entry in ("wav.scp,speech,sound", "text,text,text"):
            path = f"{reference.data_dir / entry}"
            cmd += [f"--{part}_data_path_and_name_and_type", path]
    return cmd


@pytest.fixture(scope="module")
def runs(reference, tmp_path_factory):
    """The same training by two ranks and by one process, each with its own cache."""
    root = tmp_path_factory.mktemp("runs")

    def cmd(name, *more):
        cache = ("--teacher_cache", f"{root}/cache_{name}", "--max_epoch", "2")
        return command(reference, root / name, *cache, *more)

    assert exit_codes(*start(cmd("two"), root)) == [0, 0]
    assert encrl_train.main(cmd("one")) == 0
    return root, cmd


def checkpoint(folder):
    return torch.load(folder / "checkpoint.pth", weights_only=True)


def test_losses_and_weights_are_those_of_one_process(reference, runs):
    one, two = (checkpoint(runs[0] / name) for name in ("one", "two"))
    for epoch in (1, 2):
        for part in ("train", "valid"):
            expected = one["reporter"]["stats"][epoch][part]
            actual = two["reporter"]["stats"][epoch][part]
            for name in ("loss", "loss_clip", "loss_mse"):
                assert actual[name] == pytest.approx(expected[name], rel=1e-4)
    start = torch.load(reference.checkpoint, weights_only=True)
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, rtol=1e-4, atol=1e-5)
    # Or nothing would have been compared: the student began with this layer.
    name = "ctc.ctc_lo.weight"
    assert (one["model"][name] - start[name]).abs().max() > 1e-3


def test_the_first_rank_alone_writes(runs):
    root, _ = runs
    contents = [sorted(os.listdir(root / name)) for name in ("one", "two")]
    assert contents[0] == contents[1]
    log = (root / "two/train.log").read_text()
    assert log.count("2epoch results") == 1
    for name in ("posteriors.bin", "pooled.bin", "index.tsv", "meta.json"):
        stored = [(root / f"cache_{n}" / name).read_bytes() for n in ("one", "two")]
        assert stored[0] == stored[1] and stored[0]


def test_costs_are_those_of_both_ranks(runs):
    one, two = (read_json(runs[0] / name / "cost.json") for name in ("one", "two"))
    assert two["epochs"] == one["epochs"] == 2
    assert two["audio_seconds"] == pytest.approx(one["audio_seconds"])
    assert two["once"]["teacher_cache"].keys() == one["once"]["teacher_cache"].keys()
    # Less padding in smaller batches, and a rank alone would have about half.
    assert 0.7 * one["flops"] < two["flops"] < 1.3 * one["flops"]


def test_a_finished_training_and_another_one_end_at_once(runs, tmp_path):
    _, cmd = runs
    started, logs = start(cmd("two"), tmp_path)  # on another port
    assert exit_codes(started, logs) == [0, 0]
    assert "is already finished" in logs[0].read_text()
    started, logs = start(cmd("two", "--grad_clip", "1"), tmp_path)
    assert exit_codes(started, logs) == [2, 2]
    assert all("with different inputs: " in log.read_text() for log in logs)


def test_two_sizes_are_fine_tuned_one_after_the_other(runs, reference, tmp_path):
    root, _ = runs
    training = {k: v for k, v in TRAINING.items() if k != "model_conf"}
    training["best_model_criterion"] = [["valid", "cer_ctc", "min"]]
    (tmp_path / "conf.yaml").write_text(yaml.safe_dump({**training, "max_epoch": 1}))
    cmd = ["--kind", "finetune", "--encrl_dir", f"{root}/two", "--sizes", "2", "1"]
    cmd += ["--output", f"{tmp_path}/asr", "--config", f"{tmp_path}/conf.yaml"]
    cmd += [*data_options(reference), "--ngpu", "0"]
    started = start(cmd, tmp_path, train_models.main, by_options=False)
    assert exit_codes(*started) == [0, 0]
    for layers in (2, 1):
        folder = tmp_path / f"asr_{layers}l"
        meta = read_json(folder / "meta.json")
        assert meta["layers"] == layers and (folder / "done.json").is_file()
        load_asr_model(folder / "config.yaml", folder / meta["checkpoint"])
        cost = read_json(folder / "cost.json")
        assert cost["audio_seconds"] == pytest.approx(6 * 0.9, rel=1e-3)


def test_fewer_utterances_than_ranks_are_refused(reference, tmp_path):
    one = tmp_path / "utt2num_samples"
    lines = (reference.data_dir / "utt2num_samples").read_text().splitlines()
    one.write_text(lines[0] + "\n")
    cmd = command(reference, tmp_path / "encrl", "--max_epoch", "1")
    cmd[cmd.index("--valid_shape_file") + 1] = f"{one}"
    started, logs = start(cmd, tmp_path)
    assert exit_codes(started, logs) == [2, 2]
    for log in logs:
        text = log.read_text()
        assert "valid data" in text and "fewer processes" in text
        assert "Traceback" not in text


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_the_other_with_a_message(reference, tmp_path, killed):
    cmd = command(reference, tmp_path / "encrl", "--max_epoch", "2000")
    started, logs = start(cmd, tmp_path)
    end = time.monotonic() + 240
    while not (tmp_path / "encrl/checkpoint.previous.pth").exists():
        assert time.monotonic() < end and all(p.is_alive() for p in started), [
            log.read_text()[-1500:] for log in logs
        ]
        time.sleep(0.01)
    os.kill(started[killed].pid, signal.SIGKILL)
    codes = exit_codes(started, logs, 60)
    assert codes[killed] == -signal.SIGKILL and codes[1 - killed] == 2
    text = logs[1 - killed].read_text()
    assert f"rank {1 - killed} has lost the other processes of the training" in text
    assert "Traceback" not in text


SECONDS = ((0.5, 0.7), (0.9,), (0.4, 0.6)), ((0.8,), (0.3, 1.0, 0.5))


def one_epoch(reference, rank, folder):
    """Train on three batches as one rank and on two as the other."""
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    model, args = tiny_encrl.build(reference, folder)
    batches = []
    for number, seconds in enumerate(SECONDS[rank]):
        generator = torch.Generator().manual_seed(10 * rank + number)
        lengths = torch.tensor([int(16000 * s) for s in seconds])
        speech = 0.1 * torch.randn(len(seconds), max(lengths), generator=generator)
        batch = {"speech": speech, "speech_lengths": lengths}
        batches.append(([f"{rank}-{number}-{i}" for i in range(len(seconds))], batch))
    ranks = DistributedOption(distributed=True, dist_rank=rank, dist_world_size=2)
    ours = torch.nn.parallel.DistributedDataParallel(model)
    train_epoch(ours, batches, args, ranks)
    torch.save(model.state_dict(), folder / f"model.{rank}")
    dist.barrier()


def test_a_rank_with_fewer_batches_does_not_hang(reference, tmp_path):
    started = [
        RANKS.Process(target=one_epoch, args=(reference, rank, tmp_path))
        for rank in (0, 1)
    ]
    for process in started:
        process.start()
    assert exit_codes(started, []) == [0, 0]
    ours, theirs = (torch.load(tmp_path / f"model.{rank}") for rank in (0, 1))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    cost = read_json(tmp_path / "cost.json")
    # The third batch of one rank had no partner.
    expected = sum(sum(b) for part in SECONDS for b in part[:2])
    assert cost["audio_seconds"] == pytest.approx(expected, rel=1e-4)
    assert sorted(p.name for p in tmp_path.glob("*cost*")) == ["cost.json"]
