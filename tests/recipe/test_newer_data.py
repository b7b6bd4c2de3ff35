"""Tables that were changed after stage 2 had read them are named in later stages."""

import os
from dataclasses import replace

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.stages.data import import_reference, warn_of_newer_data


@pytest.fixture
def layout(tmp_path):
    options = EncrlRecipeOptions(
        datadir=str(tmp_path / "data"),
        dumpdir=str(tmp_path / "dump"),
        expdir=str(tmp_path / "exp"),
        unlabelled_sets=("audio",),
        stage=5,
        stop_stage=9,
    )
    for name in ("train", "dev", "test", "audio"):
        folder, done = tmp_path / "data" / name, tmp_path / "dump/raw" / name
        folder.mkdir(parents=True)
        done.mkdir(parents=True)
        for table in ("wav.scp", "text", "utt2spk"):
            (folder / table).write_text("a b\n")
            os.utime(folder / table, (1000, 1000))
        (done / "done.json").write_text("{}")
        os.utime(done / "done.json", (2000, 2000))
    return Layout(options)


def warnings(layout, capfd):
    warn_of_newer_data(layout)
    return [line for line in capfd.readouterr().err.split("\n") if "WARNING" in line]


def test_nothing_is_said_of_what_is_older(layout, capfd):
    assert warnings(layout, capfd) == []


@pytest.mark.parametrize("table", ["wav.scp", "text", "utt2spk"])
def test_a_table_that_is_newer(layout, capfd, tmp_path, table):
    path = tmp_path / "data/test" / table
    os.utime(path, (3000, 3000))
    (said,) = warnings(layout, capfd)
    assert str(path) in said and str(tmp_path / "dump/raw/test") in said
    assert "--stage 2" in said
    # Stage 2 has found since that nothing has changed.
    seen = tmp_path / "dump/raw/test/.seen"
    seen.touch()
    assert warnings(layout, capfd) == []
    seen.unlink()
    # Who runs stage 2 now is asked nothing.
    now = Layout(replace(layout.options, stage=2))
    assert warnings(now, capfd) == []


def test_audio_without_transcripts_that_is_newer(layout, capfd, tmp_path):
    path = tmp_path / "data/audio/wav.scp"
    os.utime(path, (3000, 3000))
    (said,) = warnings(layout, capfd)
    assert str(path) in said


def test_sets_are_looked_for_before_an_import(layout, tmp_path):
    options = replace(
        layout.options, stage=2, reference="/nowhere/asr", train_set="train_960"
    )
    with pytest.raises(
        UserError, match="--train_set train_960: .*audio, dev, test, train.*name sets"
    ):
        import_reference(Layout(options), None)
