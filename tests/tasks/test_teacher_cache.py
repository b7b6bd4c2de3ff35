"""Training from stored outputs of the teacher is training with the teacher."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tiny_encrl
import torch
import yaml
from frames_objective import frames_objective
from tiny_asr import load_speech

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill import cache, store, store_format
from espnet_plugin.distill.teacher import encoder_outputs
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.tasks.encrl import EncRLTask

# Single precision, so that nothing but the detour through the files is compared.
SINGLE = np.dtype("<f4")


def stats(folder):
    state = torch.load(folder / "checkpoint.pth", weights_only=True)
    return state["reporter"]["stats"], state["model"]


@pytest.fixture(scope="module")
def runs(tiny_asr_model, tmp_path_factory):
    """The same training twice: with the teacher itself, and with its outputs."""
    root = tmp_path_factory.mktemp("cached")
    patch = pytest.MonkeyPatch()
    patch.setattr(store_format, "POSTERIOR_DTYPE", SINGLE)
    common = ("--num_workers", "0")
    EncRLTask.main(cmd=tiny_encrl.options(tiny_asr_model, root / "live", *common))
    more = ("--teacher_cache", str(root / "cache"), *common)
    EncRLTask.main(cmd=tiny_encrl.options(tiny_asr_model, root / "cached", *more))
    patch.undo()
    return root


def test_training_ends_with_the_same_weights(runs):
    (live, ours), (cached, theirs) = (stats(runs / n) for n in ("live", "cached"))
    for epoch in (1, 2):
        for part in ("train", "valid"):
            for name in ("loss", "loss_clip", "loss_mse"):
                expected = live[epoch][part][name]
                assert cached[epoch][part][name] == pytest.approx(expected, rel=1e-5)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Adam turns rounding of a near-zero gradient into whole steps of 0.01.
        if value.is_floating_point():
            assert (value - theirs[name]).abs().median() < 1e-6, name


def test_its_cost_is_counted_once_and_in_full(runs):
    live = read_json(runs / "live/cost.json")
    cached = read_json(runs / "cached/cost.json")
    assert cached["flops"] == live["flops"] and cached["epochs"] == 2
    once = cached["once"]["teacher_cache"]
    # Training and development data once; live, the training data in both epochs.
    assert cached["teacher_flops"] == once["teacher_flops"]
    assert once["teacher_flops"] == pytest.approx(live["teacher_flops"], rel=0.01)
    assert once["audio_seconds"] == pytest.approx(live["audio_seconds"], rel=0.01)
    assert cached["train_seconds"] > once["train_seconds"] > 0


def test_a_narrower_student_learns_from_it_too(runs, tiny_asr_model, tmp_path):
    # Operations are counted before the first step, without what is stored.
    narrow = ("--student_output_size", "8", "--max_epoch", "1")
    cost = {}
    for name, more in (
        ("live", ()),
        ("cached", ("--teacher_cache", str(tmp_path / "cache"))),
    ):
        options = tiny_encrl.options(tiny_asr_model, tmp_path / name, *narrow, *more)
        EncRLTask.main(cmd=options)
        cost[name] = read_json(tmp_path / name / "cost.json")
    assert cost["cached"]["flops"] == cost["live"]["flops"] > 0
    whole = read_json(runs / "live/cost.json")
    assert cost["live"]["flops"] < whole["flops"] / whole["epochs"]


def test_a_second_run_computes_nothing_and_pays_all_the_same(
    runs, tiny_asr_model, tmp_path, monkeypatch
):
    def written():
        return {p.name: p.stat().st_mtime_ns for p in (runs / "cache").glob("[a-z]*")}

    monkeypatch.setattr(store_format, "POSTERIOR_DTYPE", SINGLE)
    before = written()
    more = ("--teacher_cache", str(runs / "cache"))
    tiny_encrl.build(tiny_asr_model, tmp_path, *more)
    assert written() == before and "done.json" in before
    paid = read_json(tmp_path / "cost.json")["once"]
    assert paid == read_json(runs / "cached/cost.json")["once"]


def test_half_precision_changes_the_loss_by_a_hair(tiny_asr_model, tmp_path):
    live, _ = tiny_encrl.build(tiny_asr_model, tmp_path / "live")
    cached, _ = tiny_encrl.build(
        tiny_asr_model, tmp_path / "c", "--teacher_cache", str(tmp_path / "cache")
    )
    cached.load_state_dict(live.state_dict())
    names = cached.teacher.store.names[:3]
    audio = [load_speech(tiny_asr_model, name) for name in names]
    lengths = torch.tensor([len(item) for item in audio])
    speech = torch.nn.utils.rnn.pad_sequence(audio, batch_first=True)
    with torch.no_grad():
        expected = live.eval()(speech, lengths, utt_id=names)[1]
        actual = cached.eval()(speech, lengths, utt_id=names)[1]
    for name in ("loss", "loss_clip", "loss_mse"):
        # Batches differ, so the last frames of an utterance do, a little.
        assert actual[name] == pytest.approx(expected[name].item(), rel=1e-2)


def test_stored_outputs_are_the_references(runs, tiny_asr_model, monkeypatch):
    monkeypatch.setattr(store_format, "POSTERIOR_DTYPE", SINGLE)
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    stored = store.OutputStore(runs / "cache")
    assert len(stored) == 6
    longest = "spk0-utt2"  # the only one without padding in its batch
    speech = load_speech(tiny_asr_model, longest)[None]
    with torch.no_grad():
        outputs = encoder_outputs(model, speech, torch.tensor([speech.shape[1]]))
    posteriors, pooled, lengths, _ = stored.read([longest])
    assert lengths[0] == outputs.lengths[0]
    assert torch.allclose(posteriors, outputs.log_posteriors, atol=1e-4)
    assert torch.allclose(pooled, outputs.mean_encoding(), atol=1e-4)


def test_what_cannot_be_cached(tiny_asr_model, tmp_path, monkeypatch):
    more = ("--teacher_cache", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="--teacher_cache and --noise_scp"):
        tiny_encrl.build(tiny_asr_model, tmp_path, *more, "--noise_scp", "noise.scp")
    dropped = ("--data_selection_conf", "keep_time=0.7")
    with pytest.raises(UserError, match="--teacher_cache and .*keep_time"):
        tiny_encrl.build(tiny_asr_model, tmp_path, *more, *dropped)
    # The student has the preprocessor of its reference, which may augment.
    config = yaml.safe_load(tiny_asr_model.config.read_text())
    effects = {"data_aug_effects": [[1.0, "reverse", {}]], "data_aug_prob": 0.5}
    augmenting = tmp_path / "config.yaml"
    augmenting.write_text(yaml.safe_dump({**config, "preprocessor_conf": effects}))
    reference = SimpleNamespace(**{**vars(tiny_asr_model), "config": augmenting})
    with pytest.raises(UserError, match="--teacher_cache and .*data_aug_effects"):
        tiny_encrl.build(reference, tmp_path, *more)
    usage = cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        cache.shutil, "disk_usage", lambda path: usage._replace(free=100)
    )
    with pytest.raises(UserError, match="--teacher_cache_top"):
        tiny_encrl.build(tiny_asr_model, tmp_path, *more)


def test_another_number_of_tokens_is_not_taken_for_the_wanted_one(
    tiny_asr_model, tmp_path, capsys
):
    folder = tmp_path / "cache"

    def build(*more):
        options = ("--teacher_cache", str(folder), *more)
        return tiny_encrl.build(tiny_asr_model, tmp_path, *options)

    with pytest.raises(SystemExit):
        build("--teacher_cache_top", "-1")
    assert "'-1': must be a whole number from 0" in capsys.readouterr().err
    # argparse does not check a value from a configuration.
    (tmp_path / "top.yaml").write_text("teacher_cache_top: -1\n")
    with pytest.raises(UserError, match="teacher_cache_top -1: must be"):
        build("--config", str(tmp_path / "top.yaml"))
    build("--teacher_cache_top", "3")
    assert read_json(folder / "meta.json")["top"] == 3
    build("--teacher_cache_top", "3")
    build()  # of any number of tokens, as for baselines
    with pytest.raises(UserError, match=f"_top 2: {folder} stores 3 tokens of each"):
        build("--teacher_cache_top", "2")


def test_what_would_miss_single_frames(tiny_asr_model, tmp_path):
    cache = ("--teacher_cache", str(tmp_path / "cache"))
    other = ("--student_encoder_conf", "input_layer=conv2d6")
    with frames_objective() as kind:
        chosen = ("--objectives", "clip", kind.name)
        model, _ = tiny_encrl.build(tiny_asr_model, tmp_path, *chosen)
        assert "loss_frames_for_a_test" in model(*tiny_encrl.batch())[1]
        with pytest.raises(
            UserError, match=f"{kind.name}: .* single .*--teacher_cache"
        ):
            tiny_encrl.build(tiny_asr_model, tmp_path, *chosen, *cache)
        assert not (tmp_path / "cache").exists()
        with pytest.raises(UserError, match=f"{kind.name}: .* single .* frame rate"):
            tiny_encrl.build(tiny_asr_model, tmp_path, *chosen, *other)


@pytest.fixture
def listed(tmp_path):
    """A file and a table that lists it."""
    audio, table = tmp_path / "a.wav", tmp_path / "wav.scp"
    audio.write_bytes(b"x" * 10)
    table.write_text(f"a {audio}\nb cat nothing |\n")
    return audio, table


def test_changed_audio_makes_a_cache_stale(listed):
    audio, table = listed
    before = cache.data_checksum([table])
    assert cache.data_checksum([table]) == before
    audio.write_bytes(b"x" * 11)
    assert cache.data_checksum([table]) != before


def test_one_changed_byte_of_the_same_size_makes_a_cache_stale(listed):
    audio, table = listed
    checksums = set()
    for place in (0, 20_000, 39_999):
        content = bytearray(40_000)
        content[place] = 1
        audio.write_bytes(content)
        checksums.add(cache.data_checksum([table]))
    assert len(checksums) == 3


def test_a_cache_outlives_a_corpus_that_is_mounted_anew(listed):
    audio, table = listed
    before = cache.data_checksum([table])
    os.utime(audio, (1, 1))
    assert cache.data_checksum([table]) == before


def test_one_name_in_both_sets_is_two_utterances(tiny_asr_model, tmp_path, monkeypatch):
    """Of equal lengths, so that nothing but the outputs could tell them apart."""
    monkeypatch.setattr(store_format, "POSTERIOR_DTYPE", SINGLE)
    names = [line.split()[0] for line in tiny_asr_model.wav_scp.open()][:2]
    length, dev = 8000, tmp_path / "dev"
    dev.mkdir()
    for folder, seed in ((tmp_path, 1), (dev, 2)):
        rng, tables = np.random.default_rng(seed), {
            "wav.scp": "",
            "text": "",
            "len": "",
        }
        for name in names:
            soundfile.write(
                folder / f"{name}.wav", 0.1 * rng.standard_normal(length), 16000
            )
            tables["wav.scp"] += f"{name} {folder / name}.wav\n"
            tables["text"] += f"{name} ONE\n"
            tables["len"] += f"{name} {length}\n"
        for table, text in tables.items():
            (folder / table).write_text(text)

    def options(output, *more):
        asked = tiny_encrl.options(tiny_asr_model, output, "--max_epoch", "1", *more)
        for i, one in enumerate(asked[:-1]):
            if one.endswith("_path_and_name_and_type"):
                folder = tmp_path if one.startswith("--train") else dev
                table, rest = asked[i + 1].split(",", 1)
                asked[i + 1] = f"{folder / table.rsplit('/', 1)[1]},{rest}"
            elif one.endswith("_shape_file"):
                asked[i + 1] = str((tmp_path if "train" in one else dev) / "len")
        return asked

    EncRLTask.main(cmd=options(tmp_path / "live"))
    EncRLTask.main(cmd=options(tmp_path / "cached", "--teacher_cache", f"{tmp_path}/c"))
    (live, _), (cached, _) = (stats(tmp_path / n) for n in ("live", "cached"))
    for part in ("train", "valid"):
        for name in ("loss_clip", "loss_mse"):
            expected = live[1][part][name]
            assert cached[1][part][name] == pytest.approx(expected, rel=1e-4), part
    assert len(store.OutputStore(tmp_path / "c")) == 4
