"""Dual-mode training from a teacher's stored outputs is training with the teacher."""

import shutil

import numpy as np
import pytest
import soundfile
import torch
from tiny_asr import build_tiny_asr, load_speech
from tiny_taught import CONFIG, TEACHING, train, trained, write_data, write_row
from torch.utils.flop_counter import FlopCounterMode

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill import store_format
from espnet_plugin.distill.store import OutputStore
from espnet_plugin.distill.store_writer import StoreWriter
from espnet_plugin.distill.teacher import encoder_outputs
from espnet_plugin.dual_mode.teaching import TaughtModes, Teaching
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.tasks.dual_mode import DualModeASRTask

# Single precision, so that nothing but the detour through the files is compared.
SINGLE = np.dtype("<f4")


@pytest.fixture(scope="module")
def single():
    patch = pytest.MonkeyPatch()
    patch.setattr(store_format, "POSTERIOR_DTYPE", SINGLE)
    patch.setattr(store_format, "ENCODING_DTYPE", SINGLE)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_asr_model):
    return write_data(tmp_path_factory.mktemp("cached_dual"), tiny_asr_model)


@pytest.fixture(scope="module")
def reference(tiny_asr_model):
    return ["--reference", str(tiny_asr_model.dir)]


@pytest.fixture(scope="module")
def runs(data, reference, single):
    """The same training with the teacher itself, and with its outputs."""
    cache = ["--teacher_cache", str(data.root / "cache")]
    for name, more in ("live", []), ("cached", cache):
        assert train(data, write_row(data, TEACHING, name), *reference, *more) == 0
    return {name: data.root / f"exp/dual_{name}_s1" for name in ("live", "cached")}


def test_all_losses_and_weights_are_those_with_the_teacher(runs):
    (live, ours), (cached, theirs) = (trained(runs[n]) for n in ("live", "cached"))
    assert live.keys() == cached.keys() == {1, 2, 3}
    compared = set()
    for epoch, parts in live.items():
        for part in ("train", "valid"):
            for name, value in parts[part].items():
                if name.startswith(("loss", "cer", "delay")):
                    expected = pytest.approx(value, rel=1e-4, abs=1e-6)
                    assert cached[epoch][part][name] == expected, (epoch, part, name)
                    compared.add(name)
    for mode in "full", "streaming":
        for name in TEACHING["objectives"]:
            assert f"loss_{name}_taught_{mode}" in compared
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Adam turns rounding of a near-zero gradient into whole steps.
        if value.is_floating_point():
            assert (value - theirs[name]).abs().median() < 1e-5, name


def test_the_teacher_costs_one_pass_over_both_sets(runs, tiny_asr_model):
    live, cached = (read_json(folder / "cost.json") for folder in runs.values())
    assert cached["flops"] == live["flops"] and cached["epochs"] == 3
    # By hand: torch's counter on the batches of one epoch, sorted pairs, of both sets.
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    table = tiny_asr_model.data_dir / "utt2num_samples"
    lengths = sorted(int(line.split()[1]) for line in table.read_text().splitlines())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for longest in lengths[1::2]:
            speech = torch.randn(2, longest)
            encoder_outputs(model.eval(), speech, torch.tensor([longest, longest]))
    by_hand = 2 * counter.get_total_flops()
    once = cached["once"]["teacher_cache"]
    # The rounding of lengths by the sub-sampling is left out of the log's arithmetic.
    assert cached["teacher_flops"] == once["teacher_flops"]
    assert once["teacher_flops"] == pytest.approx(by_hand, rel=0.01)
    # Live, the development data costs nothing: validation is not counted.
    assert live["teacher_flops"] == pytest.approx(3 * by_hand / 2, rel=0.01)
    assert all(entry["teacher_flops"] == 0 for entry in cached["per_epoch"])


def test_stored_encodings_are_the_references(runs, data, tiny_asr_model):
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    stored = OutputStore(data.root / "cache")
    longest = "spk0-utt2"  # the only one without padding in its batch
    speech = load_speech(tiny_asr_model, longest)[None]
    with torch.no_grad():
        outputs = encoder_outputs(model, speech, torch.tensor([speech.shape[1]]))
    assert len(stored) == 6
    read = stored.read([longest])
    assert torch.allclose(read.encodings, outputs.encoding, atol=1e-4)
    assert torch.allclose(read.log_posteriors, outputs.log_posteriors, atol=1e-4)


def test_an_interrupted_filling_goes_on(runs, data, reference, monkeypatch):
    """Killed in the middle of an utterance; then the same losses and the same store."""
    cache = data.root / "cut"
    words = [*reference, "--teacher_cache", str(cache)]
    row, add = write_row(data, TEACHING, "cut"), StoreWriter.add
    added = []

    def killed(writer, name, *outputs):
        if len(added) == 3:
            with open(cache / "encodings.bin", "ab") as stream:
                stream.write(b"half a fram")
            raise KeyboardInterrupt
        added.append(name)
        add(writer, name, *outputs)

    monkeypatch.setattr(StoreWriter, "add", killed)
    assert train(data, row, *words) == 130  # as after Ctrl-C
    assert not (cache / "done.json").exists()
    assert len((cache / "index.tsv").read_text().splitlines()) == 3
    monkeypatch.setattr(StoreWriter, "add", add)
    assert train(data, row, *words) == 0
    whole = data.root / "cache"
    for path in whole.glob("*.*"):
        if path.suffix in (".bin", ".tsv"):
            assert path.read_bytes() == (cache / path.name).read_bytes(), path.name
    losses = [
        [parts["train"]["loss"] for parts in trained(folder)[0].values()]
        for folder in (runs["cached"], data.root / "exp/dual_cut_s1")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    # What the whole store cost is counted, also what was written before the kill.
    costs = [
        read_json(folder / "cost.json")["once"]["teacher_cache"]["teacher_flops"]
        for folder in (runs["cached"], data.root / "exp/dual_cut_s1")
    ]
    assert costs[0] == costs[1] > 0


def test_a_store_of_another_reference_is_refused(runs, data, tmp_path, caplog):
    other = build_tiny_asr(tmp_path, seed=8)
    words = ["--reference", str(other.dir), "--teacher_cache", f"{data.root / 'cache'}"]
    assert train(data, write_row(data, TEACHING, "other"), *words) == 2
    assert "cache was made from different inputs: reference" in caplog.text


def test_a_store_of_other_audio_is_refused(
    runs, data, reference, tiny_asr_model, caplog, tmp_path
):
    changed = write_data(tmp_path, tiny_asr_model)
    audio = next(changed.folder.glob("*.wav"))
    samples, rate = soundfile.read(audio)
    soundfile.write(audio, samples[::-1], rate)
    words = [*reference, "--teacher_cache", str(data.root / "cache")]
    assert train(changed, write_row(changed, TEACHING), *words) == 2
    assert "cache was made from different inputs: training audio" in caplog.text


def test_a_damaged_store_is_refused(runs, data, reference, caplog, tmp_path):
    cache = shutil.copytree(data.root / "cache", tmp_path / "cache")
    content = bytearray((cache / "encodings.bin").read_bytes())
    content[5] ^= 1
    (cache / "encodings.bin").write_bytes(content)
    words = [*reference, "--teacher_cache", str(cache)]
    assert train(data, write_row(data, TEACHING, "damaged"), *words) == 2
    assert "is damaged: delete the folder and run again" in caplog.text


def test_objectives_on_single_frames_need_a_store_of_them(
    runs, data, reference, caplog, tmp_path
):
    pooled = {"objectives": {"kl": {}, "clip": {}, "mse": {}}}
    words = [*reference, "--teacher_cache", str(tmp_path / "cache"), "--max_epoch", "2"]
    row = write_row(data, pooled, "pooled")
    assert train(data, row, *words) == 0
    assert not OutputStore(tmp_path / "cache").has_encodings
    for name, teaching in {
        "frames": {"objectives": {"frame_contrast": {}, "kl": {}}},
        # The mean of what is not late is another one than what is stored.
        "late": {**pooled, "delay_frames": 2},
    }.items():
        assert train(data, write_row(data, teaching, name), *words) == 2
    for name in "frame_contrast", "clip":
        assert f"but {name} needs those of single frames" in caplog.text
    # The other way round it serves.
    assert train(data, row, *words[:3], f"{data.root / 'cache'}", "--seed", "2") == 0


def test_single_frames_are_asked_for_where_they_are_needed():
    def needs(**teaching):
        return TaughtModes(Teaching(**teaching), 4).single_frames

    assert needs(objectives={"kl": {}, "mse": {}}, delay_frames=4) == []
    assert needs(objectives={"kl": {}, "clip": {}}) == []
    assert needs(objectives={"kl": {}, "clip": {}}, delay_frames=4) == ["clip"]
    clip = {"objectives": {"clip": {}}, "delay_frames": 4}
    assert needs(**clip, modes=["full"]) == []
    assert needs(objectives={"clip": {}, "frame_contrast": {}}) == ["frame_contrast"]


def test_a_store_without_a_teacher_is_refused(data, tmp_path):
    words = ["--output_dir", str(tmp_path), "--config", CONFIG, *data.options]
    args = DualModeASRTask.get_parser().parse_args([*words, "--teacher_cache", "x"])
    with pytest.raises(UserError, match="--teacher_cache x: without model_conf.teach"):
        DualModeASRTask.build_model(args)
