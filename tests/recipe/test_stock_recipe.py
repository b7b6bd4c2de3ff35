"""A finished recipe of ESPnet, in the layout that asr.sh leaves (stages 3 to 11)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from stock_recipe import SETS, make_stock, refused, table, write_experiment

from espnet_plugin.bin.asr_recipe import main
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.errors import UserError
from espnet_plugin.recipe.import_recipe import import_recipe
from espnet_plugin.recipe.stock import Overrides, find_recipe
from espnet_plugin.recipe.tables import absolute_entry, file_of_entry


@pytest.fixture
def stock(tmp_path):
    return make_stock(tmp_path)


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
    root = Path("/r s")
    assert absolute_entry("a.ark:3", root) == "/r s/a.ark:3"
    assert absolute_entry("/a.ark:3", root) == "/a.ark:3"
    assert absolute_entry("cat a | b |", root) == "cd '/r s' && ( cat a | b ) |"
