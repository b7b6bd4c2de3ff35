"""A finished recipe of ESPnet, in the layout that asr.sh leaves (stages 3 to 11)."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import sentencepiece
import soundfile
import torch
import yaml

from espnet_plugin.bin.asr_recipe import main
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.errors import UserError
from espnet_plugin.recipe.best_experiment import earlier_choice
from espnet_plugin.recipe.import_recipe import import_recipe
from espnet_plugin.recipe.stock import Overrides, find_recipe
from espnet_plugin.recipe.tables import absolute_entry, file_of_entry

CHARS = ["<blank>", "<unk>", "A", "B", "<space>", "<sos/eos>"]
SETS = {"train_sp": ["sp0.9-u1", "u1", "u2"], "dev": ["u3"], "test": ["u4", "u5"]}
MEAN, SPREAD, COUNT = np.array([1.0, -2.0, 0.5]), 2.0, 50.0


def table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name} {value}\n" for name, value in rows))


def write_stats(path, mean):
    path.parent.mkdir(parents=True, exist_ok=True)
    square = (mean**2 + SPREAD**2) * COUNT
    np.savez(path, count=COUNT, sum=mean * COUNT, sum_square=square)


def write_experiment(root, name, cers=(40.0,), finished=True, **changes):
    """Write what training leaves; the CERs of its epochs are in percent."""
    folder = root / "exp" / name
    folder.mkdir(parents=True)
    data = {
        part: [
            [f"dump/raw/{dset}/wav.scp", "speech", "sound"],
            [f"dump/raw/{dset}/text", "text", "text"],
        ]
        for part, dset in (("train", "train_sp"), ("valid", "dev"))
    }
    stats = "exp/asr_stats_raw_en_char_sp"
    config = {
        "token_list": CHARS,
        "token_type": "char",
        "bpemodel": None,
        "encoder": "conformer",
        "encoder_conf": {},
        "ctc_conf": {},
        "model_conf": {"ctc_weight": 1.0},
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": f"{stats}/train/feats_stats.npz"},
        "train_data_path_and_name_and_type": data["train"],
        "valid_data_path_and_name_and_type": data["valid"],
        "train_shape_file": [
            f"{stats}/train/speech_shape",
            f"{stats}/train/text_shape",
        ],
        **changes,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    lines = (
        f"{i}epoch results: [train] loss=1, time=1 second, [valid] loss=1, "
        f"cer_ctc={cer / 100}, time=1 second"
        for i, cer in enumerate(cers, 1)
    )
    (folder / "train.log").write_text("\n".join(lines) + "\n")
    state = {
        "normalize.mean": torch.tensor(MEAN, dtype=torch.float32),
        "ctc.ctc_lo.weight": torch.zeros(len(CHARS), 4),
    }
    torch.save(state, folder / "1epoch.pth")
    if finished:
        torch.save(state, folder / "valid.cer_ctc.ave.pth")
    return folder


@pytest.fixture
def stock(tmp_path):
    root = tmp_path / "egs2/corpus/asr1"
    for name, utts in SETS.items():
        folder = root / "dump/raw" / name
        for utt in utts:
            (root / "dump/audio").mkdir(parents=True, exist_ok=True)
            (root / f"dump/audio/{utt}.flac").write_bytes(b"fLaC")
        table(folder / "wav.scp", [(u, f"dump/audio/{u}.flac") for u in utts])
        table(folder / "text", [(u, "A B") for u in utts])
        table(folder / "utt2spk", [(u, "s") for u in utts])
        (folder / "feats_type").write_text("raw\n")
    stats = root / "exp/asr_stats_raw_en_char_sp"
    for part, name in ("train", "train_sp"), ("valid", "dev"):
        table(stats / part / "speech_shape", [(u, 16000) for u in SETS[name]])
    write_stats(stats / "train/feats_stats.npz", MEAN)
    tokens = root / "data/en_token_list/char/tokens.txt"
    tokens.parent.mkdir(parents=True)
    tokens.write_text("\n".join(CHARS) + "\n")
    exp = write_experiment(root, "asr_train_raw_en_char_sp")
    return SimpleNamespace(
        root=root, exp=exp, stats=stats, tokens=tokens, out=tmp_path / "mine/exp/taken"
    )


def snapshot(root):
    return {
        path: (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in root.rglob("*")
        if path.name != ".lock"
    }


def shell_values(stock, *names):
    """What encrl.sh sees after sourcing the file."""
    script = (
        f". {stock.out}/found.sh; for n in {' '.join(names)}; do echo ${{!n}}; done"
    )
    return subprocess.run(
        ["bash", "-ec", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def refused(stock, wanted=Overrides()):
    with pytest.raises(UserError) as error:
        import_recipe(find_recipe(stock.root, wanted), stock.out)
    assert not (stock.out / "found.sh").exists()
    return str(error.value)


def test_everything_is_found_and_nothing_there_changes(stock, monkeypatch, tmp_path):
    before = snapshot(stock.root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["--asr_recipe", str(stock.root), "--output_dir", str(stock.out)]) == 0
    assert snapshot(stock.root) == before
    names = ["reference", "reference_model_file", "train_set", "valid_set", "test_sets"]
    assert shell_values(stock, *names, "scp", "type") == [
        str(stock.exp),
        "valid.cer_ctc.ave.pth",
        "train_sp",
        "dev",
        "test",
        "wav.scp",
        "sound",
    ]
    for name, utts in SETS.items():
        folder = stock.out / "dump" / name
        rows = dict(row.split() for row in open(folder / "wav.scp"))
        assert list(rows) == utts
        assert all(os.path.isabs(p) and os.path.isfile(p) for p in rows.values())
        assert (folder / "text").read_text().startswith(f"{utts[0]} A B")
        assert speech_input(folder) == ("wav.scp", "sound")
    assert (stock.out / "stats/train/speech_shape").read_text().count("16000") == 3


def test_the_same_files_are_not_read_twice_and_changed_ones_are(stock):
    import_recipe(find_recipe(stock.root), stock.out)
    first = snapshot(stock.out)
    import_recipe(find_recipe(stock.root), stock.out)
    assert snapshot(stock.out) == first
    (stock.root / "dump/audio/u4.flac").unlink()
    table(stock.root / "dump/raw/test/wav.scp", [("u4", "dump/audio/u4.flac")])
    with pytest.raises(UserError, match="u4: dump/audio/u4.flac"):
        import_recipe(find_recipe(stock.root), stock.out)


@pytest.mark.parametrize(
    "lost", ["found.sh", "dump/dev/wav.scp", "dump/test/feats_type", "dump/dev/text"]
)
def test_what_a_power_cut_has_emptied_is_imported_again(stock, lost):
    import_recipe(find_recipe(stock.root), stock.out)
    whole = (stock.out / lost).read_bytes()
    if (stock.out / lost).is_symlink():  # the recipe's own file stays
        (stock.out / lost).unlink()
    (stock.out / lost).write_bytes(b"")
    import_recipe(find_recipe(stock.root), stock.out)
    assert (stock.out / lost).read_bytes() == whole


def test_a_damaged_type_of_a_set_is_named(stock):
    import_recipe(find_recipe(stock.root), stock.out)
    path = stock.out / "dump/dev/feats_type"
    path.write_bytes(b"\xff\xfe" + path.read_bytes())
    with pytest.raises(UserError, match=f"{path} is damaged .*run the stage"):
        speech_input(path.parent)


def test_the_best_of_several_experiments_is_taken_unless_named(stock):
    write_experiment(stock.root, "asr_better", (90.0, 12.0, 15.0))
    write_experiment(stock.root, "asr_unfinished", (1.0,), finished=False)
    write_experiment(stock.root, "asr_transducer", (1.0,), model="other")
    write_experiment(stock.root, "asr_dual", (1.0,), encoder="dual_mode_conformer")
    assert find_recipe(stock.root).experiment.folder.name == "asr_better"
    wanted = Overrides(experiment=stock.exp.name)
    assert find_recipe(stock.root, wanted).experiment.folder == stock.exp
    wanted = Overrides(experiment="asr_unfinished", model_file="1epoch.pth")
    assert find_recipe(stock.root, wanted).experiment.dev_cer == 1.0
    with pytest.raises(UserError, match="no averaged checkpoint"):
        find_recipe(stock.root, Overrides(experiment="asr_unfinished"))
    with pytest.raises(UserError, match="has .*asr_better.*asr_transducer"):
        find_recipe(stock.root, Overrides(experiment="asr_nothing"))


def test_a_read_only_recipe_is_enough(stock):
    """Mounted read-only: permissions would not keep root out."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    script = (
        'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x" && '
        '"$2" -m espnet_plugin.bin.asr_recipe --asr_recipe "$1" --output_dir "$3"'
    )
    command = ["unshare", "-m", "bash", "-c", script, "-", stock.root, sys.executable]
    result = subprocess.run([*command, stock.out], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Read-only file system" in result.stderr
    assert shell_values(stock, "reference") == [str(stock.exp)]


def test_a_choice_stays_when_a_better_one_is_trained_meanwhile(stock):
    cmd = ["--asr_recipe", str(stock.root), "--output_dir", str(stock.out)]
    assert main(cmd) == 0
    write_experiment(stock.root, "asr_better", (1.0,))
    assert main(cmd) == 0
    assert shell_values(stock, "reference") == [str(stock.exp)]
    assert main([*cmd, "--recipe_exp", "asr_better"]) == 0
    assert shell_values(stock, "reference")[0].endswith("asr_better")


def test_without_perturbation_left_beside_it_is_no_test_set(stock):
    train = stock.root / "dump/raw/train"
    table(train / "wav.scp", [("u1", "dump/audio/u1.flac")])
    table(train / "text", [("u1", "A")])
    recipe = find_recipe(stock.root)
    assert [item.name for item in recipe.tests] == ["test"]
    assert recipe.left_out == ("train",)
    wanted = Overrides(test_sets=["test", "train"])
    assert [i.name for i in find_recipe(stock.root, wanted).tests] == ["test", "train"]
    with pytest.raises(UserError, match="tset: .* has dev, test, train, train_sp"):
        find_recipe(stock.root, Overrides(test_sets=["tset"]))


def test_split_training_lists_lead_back_to_the_whole_set(stock):
    splits = "exp/asr_stats_raw_en_char_sp/splits2"
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    config["train_data_path_and_name_and_type"] = [
        [f"{splits}/wav.scp", "speech", "sound"],
        [f"{splits}/text", "text", "text"],
    ]
    config["train_shape_file"] = [f"{splits}/speech_shape"]
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))
    recipe = find_recipe(stock.root)
    assert recipe.train.scp == stock.root / "dump/raw/train_sp/wav.scp"
    assert recipe.stats == stock.stats


def test_archives_are_read_at_their_offsets_from_here(stock, tmp_path, monkeypatch):
    """Compared with the samples that were written."""
    from espnet2.train.dataset import ESPnetDataset

    rng = np.random.default_rng(0)
    waves = {u: rng.integers(-3000, 3000, 400, dtype=np.int16) for u in ("u4", "u5")}
    rows = []
    with open(stock.root / "dump/audio/data.ark", "wb") as ark:
        for utt, wave in waves.items():
            ark.write(f"{utt} ".encode())
            rows.append((utt, f"dump/audio/data.ark:{ark.tell()}"))
            part = stock.root / "part.wav"
            soundfile.write(part, wave, 16000, subtype="PCM_16")
            ark.write(part.read_bytes())
    table(stock.root / "dump/raw/test/wav.scp", rows)
    # A command, as data folders have it, among them.
    table(
        stock.root / "dump/raw/dev/wav.scp",
        [("u3", "cat dump/../part.wav | cat |")],
    )
    config = (stock.exp / "config.yaml").read_text().replace("sound", "kaldi_ark")
    (stock.exp / "config.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    import_recipe(find_recipe(stock.root), stock.out)
    for name, utts in ("test", waves), ("dev", {"u3": waves["u5"]}):
        scp, kind = speech_input(stock.out / "dump" / name)
        path = str(stock.out / "dump" / name / scp)
        dataset = ESPnetDataset([(path, "speech", kind)])
        for utt, wave in utts.items():
            read = dataset[utt][1]["speech"]
            assert np.array_equal(read / np.abs(read).max(), wave / np.abs(wave).max())


def test_commands_cannot_be_read_as_sound(stock):
    table(stock.root / "dump/raw/test/wav.scp", [("u4", "cat x.wav |")])
    assert "has commands (... |)" in refused(stock)


def test_entries():
    assert file_of_entry("a/b.ark:17") == "a/b.ark"
    assert file_of_entry("a/b.ark:17[0:5]") == "a/b.ark"
    assert file_of_entry("a:b/c.wav") == "a:b/c.wav"
    assert file_of_entry("sox x.wav -t wav - |") == ""
    from pathlib import Path

    root = Path("/r s")
    assert absolute_entry("a.ark:3", root) == "/r s/a.ark:3"
    assert absolute_entry("/a.ark:3", root) == "/a.ark:3"
    assert absolute_entry("cat a | b |", root) == "cd '/r s' && ( cat a | b ) |"


def test_bpe_tokens_of_another_model_are_refused(stock):
    def train_bpe(lines, size):
        folder = stock.root / "data/en_token_list/bpe_unigram9"
        folder.mkdir(parents=True, exist_ok=True)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_prefix=str(folder / "bpe"),
            vocab_size=size,
            minloglevel=2,
            hard_vocab_limit=False,
        )
        model = sentencepiece.SentencePieceProcessor(
            model_file=str(folder / "bpe.model")
        )
        pieces = [model.id_to_piece(i) for i in range(3, model.get_piece_size())]
        tokens = ["<blank>", "<unk>", *pieces, "<sos/eos>"]
        (folder / "tokens.txt").write_text("\n".join(tokens) + "\n")
        return tokens

    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    config["token_list"] = train_bpe(["AB BA ABBA"] * 20, 9)
    config["token_type"] = "bpe"
    config["bpemodel"] = "data/en_token_list/bpe_unigram9/bpe.model"
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))
    recipe = find_recipe(stock.root)
    assert recipe.token_list.parent.name == "bpe_unigram9"
    import_recipe(recipe, stock.out)
    (stock.out / "found.sh").unlink()
    kept = stock.root / "data/kept.txt"
    kept.write_text(recipe.token_list.read_text())
    train_bpe(["XY YX XXYY"] * 20, 9)
    assert "the token lists differ: token 2" in refused(stock)
    # The right list does not make the wrong model right.
    wanted = Overrides(token_list=kept)
    assert "does not have, e.g. X" in refused(stock, wanted)


def _untrained(stock):
    (stock.exp / "config.yaml").unlink()


def _other_tokens(stock):
    stock.tokens.write_text("\n".join([*CHARS[:3], "C", *CHARS[4:]]) + "\n")


def _moved(stock):
    for utt in SETS["train_sp"]:
        (stock.root / f"dump/audio/{utt}.flac").unlink()


def _other_front_end(stock):
    write_stats(stock.stats / "train/feats_stats.npz", np.append(MEAN, 0.0))


def _other_statistics(stock):
    write_stats(stock.stats / "train/feats_stats.npz", MEAN + [0, 1.0, 0])


def _no_shapes(stock):
    (stock.stats / "valid/speech_shape").unlink()


def _fewer_utterances(stock):
    table(stock.root / "dump/raw/train_sp/text", [("u1", "A")])


def _old_config(stock):
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    del config["train_data_path_and_name_and_type"]
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))


def _config_without_encoder(stock):
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    del config["encoder"]
    (stock.exp / "config.yaml").write_text(yaml.safe_dump(config))


def _no_test_set(stock):
    (stock.root / "dump/raw/test/wav.scp").unlink()


@pytest.mark.parametrize(
    "damage, messages",
    [
        (_untrained, ["has no finished model", "stage 11", "--recipe_exp"]),
        (_other_tokens, ["token 3 is 'B'", "'C'", "--recipe_token_list"]),
        (_moved, ["3 of 3 utterances", "sp0.9-u1: dump/audio", "--recipe_dump"]),
        (_other_front_end, ["different front end: 4 features", "has 3"]),
        (_other_statistics, ["differs by 0.50 standard deviations"]),
        (_no_shapes, ["valid/speech_shape is missing", "--recipe_stats"]),
        (_fewer_utterances, ["lack 2 of the 3 utterances", "sp0.9-u1"]),
        (_old_config, ["train_data_path_and_name_and_type", "--reference"]),
        (_config_without_encoder, ["has no finished model", "lacks encoder"]),
        (_no_test_set, ["no test set", "--recipe_test_sets"]),
    ],
)
def test_what_does_not_fit_is_refused(stock, damage, messages):
    damage(stock)
    text = refused(stock)
    for message in messages:
        assert message in text


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        find_recipe(tmp_path / "nowhere")


@pytest.mark.parametrize("name, option", [("train_sp", "train"), ("dev", "valid")])
def test_a_set_that_was_moved_is_named(stock, name, option):
    (stock.root / f"dump/raw/{name}").rename(stock.root / f"dump/{name}")
    said = refused(stock)
    assert f"dump/raw/{name}/wav.scp is missing" in said and f"{stock.exp} was" in said
    assert "--recipe_dump" in said and f"--recipe_{option}_set" in said
    assert "test set" not in said


def test_a_test_set_without_transcripts_is_mentioned(stock):
    (stock.root / "dump/raw/test/text").unlink()
    said = refused(stock)
    assert "(there are: dev, train_sp; without text: test)" in said


def test_small_models_are_no_references(stock):
    """They are there if an EncRL recipe writes into the same folder of experiments."""
    small = write_experiment(stock.root, "asr_encrl_s1_2l", cers=(1.0,))
    assert find_recipe(stock.root).experiment.folder == small
    (small / "meta.json").write_text('{"method": "encrl"}')
    assert find_recipe(stock.root).experiment.folder == stock.exp
    (small / "meta.json").write_text('{"method": "reference"}')
    assert find_recipe(stock.root).experiment.folder == small


@pytest.mark.parametrize("left, says", [("u4 A B\n", "1 of the 2"), ("", "2 of the 2")])
def test_transcripts_that_a_test_set_lacks(stock, left, says):
    """Scoring would find it, after all trainings."""
    text = stock.root / "dump/raw/test/text"
    text.write_text(left)
    said = refused(stock)
    assert f"{text} lacks {says} utterances" in said and "--recipe_test_sets" in said


@pytest.mark.parametrize("deleted", [False, True])
def test_statistics_that_change_after_the_import_are_not_overlooked(stock, deleted):
    import_recipe(find_recipe(stock.root), stock.out)
    write_stats(stock.stats / "train/feats_stats.npz", MEAN + 1)
    if deleted:
        (stock.stats / "train/feats_stats.npz").unlink()
    said = "cannot be read" if deleted else "a mean differs by"
    with pytest.raises(UserError, match=f"feats_stats.npz .*{said}"):
        import_recipe(find_recipe(stock.root), stock.out)


@pytest.mark.parametrize("lost", ["found.sh", "dump/test/wav.scp", "dump/dev"])
def test_what_was_deleted_of_an_import_is_made_again(stock, lost):
    import_recipe(find_recipe(stock.root), stock.out)
    path = stock.out / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    import_recipe(find_recipe(stock.root), stock.out)
    assert path.exists()


def test_a_record_of_the_import_without_keys_counts_as_none(stock):
    import_recipe(find_recipe(stock.root), stock.out)
    (stock.out / "done.json").write_text(json.dumps({"folder": str(stock.root)}))
    assert earlier_choice(stock.root, stock.out) is None


@pytest.mark.parametrize(
    "file, content, said",
    [
        ("dump/raw/train_sp/text", b"u1 \xe9\n", "text is not UTF-8 text"),
        ("dump/raw/train_sp/wav.scp", b"u1 \xe9\n", "wav.scp is not UTF-8 text"),
        ("dump/raw/test/wav.scp", b"u4 a\nu4 b\n", "wav.scp:2: 'u4' is listed twice"),
        ("exp/asr_stats_raw_en_char_sp/train/speech_shape", b"", "shape is empty: run"),
    ],
)
def test_damaged_tables_are_named(stock, file, content, said):
    (stock.root / file).write_bytes(content)
    assert said in refused(stock)


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("train_data_path_and_name_and_type", ["x"], "does not name speech and text"),
        ("train_shape_file", [3], "train_shape_file names no file"),
    ],
)
def test_an_odd_configuration_is_named(stock, key, value, said):
    config = yaml.safe_load((stock.exp / "config.yaml").read_text())
    (stock.exp / "config.yaml").write_text(yaml.safe_dump({**config, key: value}))
    with pytest.raises(UserError, match=said):
        find_recipe(stock.root)
