"""EncRL pre-training that is killed goes on to the weights of one that is not."""

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from espnet_plugin.bin import encrl_train

ROOT = Path(__file__).parents[2]
AVERAGED = "valid.loss.ave.pth"
EPOCHS = 3
LAYERS = 2

pytestmark = pytest.mark.slow


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, map_location="cpu", weights_only=True)


def assert_same_weights(path: Path, other: Path) -> None:
    ours, theirs = load(path), load(other)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if not torch.equal(ours[name], theirs[name])]


def options(model: SimpleNamespace, output: Path) -> list[str]:
    """Return the command's options: a student with dropout and SpecAugment."""
    data = model.data_dir
    cmd = [
        *("--config", f"{ROOT / 'conf/tiny_encrl.yaml'}"),
        *("--output_dir", f"{output}", "--max_epoch", f"{EPOCHS}", "--ngpu", "0"),
        *("--reference_config", f"{model.config}"),
        *("--reference_model_file", f"{model.checkpoint}"),
        *("--student_num_layers", f"{LAYERS}"),
    ]
    for part in ("train", "valid"):
        cmd += [f"--{part}_shape_file", f"{data / 'utt2num_samples'}"]
        for entry in ("wav.scp,speech,sound", "text,text,text"):
            cmd += [f"--{part}_data_path_and_name_and_type", f"{data / entry}"]
    return cmd


@pytest.fixture(scope="module")
def whole(tiny_asr_model, tmp_path_factory):
    """An uninterrupted run; also what became of its teacher."""
    from espnet_plugin.tasks.encrl import EncRLTask

    output = tmp_path_factory.mktemp("whole") / "encrl"
    generator = torch.Generator().manual_seed(0)
    batch = 0.1 * torch.randn(2, 16000, generator=generator), torch.tensor(
        [16000, 9000]
    )
    seen = SimpleNamespace(output=output, file=digest(tiny_asr_model.checkpoint))
    build = EncRLTask.build_model

    def watched(args):
        seen.model = build(args)
        seen.before = seen.model.teacher(*batch)
        return seen.model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EncRLTask, "build_model", watched)
        assert encrl_train.main(options(tiny_asr_model, output)) == 0
    seen.after = seen.model.teacher(*batch)
    return seen


def test_the_teacher_is_left_as_it_was(whole, tiny_asr_model):
    assert digest(tiny_asr_model.checkpoint) == whole.file
    before, after = vars(whole.before), vars(whole.after)
    assert before.pop("pooled") is None and after.pop("pooled") is None  # no cache
    assert set(before) == {"encoding", "log_posteriors", "lengths"}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not whole.model.teacher.model.training


def test_the_checkpoint_has_the_stock_keys(whole, tiny_asr_model):
    state = load(whole.output / AVERAGED)
    reference = load(tiny_asr_model.checkpoint)
    surplus = [f"encoder.encoders.{layer}." for layer in range(LAYERS, 3)]
    stock = {k for k in reference if not k.startswith(tuple(surplus))}
    assert set(state) == stock
    assert all(state[name].shape == reference[name].shape for name in stock)


def kill_once(cmd: list[str], path: Path, timeout_s: float = 300.0) -> None:
    """Start a training and kill it as soon as ``path`` is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "espnet_plugin.bin.encrl_train", *cmd],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    give_up = time.monotonic() + timeout_s
    while not path.exists():
        if process.poll() is not None or time.monotonic() > give_up:
            process.kill()
            raise AssertionError(process.communicate()[1].decode()[-3000:])
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "moment",
    ["1epoch.pth", "checkpoint.previous.pth"],
    ids=["after the first epoch", "in the second epoch"],
)
def test_goes_on_after_a_kill(whole, tiny_asr_model, tmp_path, moment, caplog):
    cmd = options(tiny_asr_model, tmp_path / "encrl")
    kill_once(cmd, tmp_path / "encrl" / moment)
    assert not (tmp_path / "encrl" / AVERAGED).exists()
    caplog.set_level(logging.INFO)
    assert encrl_train.main(cmd) == 0
    assert_same_weights(tmp_path / "encrl" / AVERAGED, whole.output / AVERAGED)
    assert f"1/{EPOCHS}epoch started" not in caplog.text
    assert f"{EPOCHS}/{EPOCHS}epoch started" in caplog.text


def interrupted(whole: SimpleNamespace, output: Path) -> Path:
    """Copy the whole run as a kill at its end leaves it, with nothing averaged."""
    shutil.copytree(whole.output, output, symlinks=True)
    for name in ("done.json", AVERAGED, "valid.loss.ave_2best.pth"):
        (output / name).unlink()
    return output


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_a_truncated_checkpoint_gives_way_to_the_one_before(
    whole, tiny_asr_model, tmp_path
):
    cmd = options(tiny_asr_model, tmp_path / "encrl")
    output = interrupted(whole, tmp_path / "encrl")
    assert load(output / "checkpoint.previous.pth")["reporter"]["epoch"] == EPOCHS - 1
    truncate(output / "checkpoint.pth")
    assert encrl_train.main(cmd) == 0
    assert_same_weights(output / AVERAGED, whole.output / AVERAGED)
    assert load(output / "checkpoint.pth")["reporter"]["epoch"] == EPOCHS


def test_a_truncated_model_is_written_again(whole, tiny_asr_model, tmp_path):
    cmd = options(tiny_asr_model, tmp_path / "encrl")
    output = interrupted(whole, tmp_path / "encrl")
    # The kill came between checkpoint.pth and the end of the epoch's own file.
    truncate(output / f"{EPOCHS}epoch.pth")
    assert encrl_train.main(cmd) == 0
    assert_same_weights(output / AVERAGED, whole.output / AVERAGED)


def test_no_whole_checkpoint_is_a_clear_error(whole, tiny_asr_model, tmp_path, caplog):
    cmd = options(tiny_asr_model, tmp_path / "encrl")
    output = interrupted(whole, tmp_path / "encrl")
    for name in ("checkpoint.pth", "checkpoint.previous.pth"):
        truncate(output / name)
    assert encrl_train.main(cmd) == 2
    assert (
        "checkpoint.previous.pth" in caplog.text and "delete these files" in caplog.text
    )


def test_another_reference_in_its_place_is_noticed(whole, tiny_asr_model, caplog):
    cmd = options(tiny_asr_model, whole.output)
    before = tiny_asr_model.checkpoint.read_bytes()
    assert encrl_train.main(cmd) == 0  # the same one: nothing to be done
    try:
        tiny_asr_model.checkpoint.write_bytes(before + b"another")
        assert encrl_train.main(cmd) == 2
    finally:
        tiny_asr_model.checkpoint.write_bytes(before)
    assert "different inputs: reference (was " in caplog.text


def test_the_loss_on_dev_has_to_choose_epochs(tiny_asr_model, tmp_path, caplog):
    cmd = options(tiny_asr_model, tmp_path / "encrl")
    config = tmp_path / "encrl.yaml"
    config.write_text("best_model_criterion: [[valid, acc, max]]")
    cmd[cmd.index("--config") + 1] = str(config)
    assert encrl_train.main(cmd) == 2
    assert f"{config}: best_model_criterion" in caplog.text
    assert not (tmp_path / "encrl").exists()
