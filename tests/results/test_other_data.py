"""The report takes no score of data, or of a model, that has changed since."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from espnet_plugin.bin import report as report_command
from espnet_plugin.data.content import Contents
from espnet_plugin.decode.record import forget_decoded, note_decoded
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.results.gather import gather
from espnet_plugin.results.model_folder import read_model_folder
from espnet_plugin.results.read_score import ScoreChoice
from espnet_plugin.score.once import ScoreRequest, score_once

SETS = ("test", "dev")


@pytest.fixture
def scored(tmp_path):
    """A model's folder and a dump, as stages 2 and 7 leave them; no network in it."""
    model, dump = tmp_path / "exp/asr_one", tmp_path / "dump/raw"
    model.mkdir(parents=True)
    meta = {"method": "scratch", "layers": 2, "seed": 1, "checkpoint": "model.pth"}
    (model / "meta.json").write_text(json.dumps(meta))
    (model / "model.pth").write_bytes(b"weights")
    for name in SETS:
        source = dump / name
        source.mkdir(parents=True)
        soundfile.write(source / "a.wav", np.full(800, 0.1), 16000)
        (source / "wav.scp").write_text(f"a {source / 'a.wav'}\n")
        (source / "text").write_text("a ONE TWO\n")
        (source / "utt2spk").write_text("a a\n")
        (source / "feats_type").write_text("raw\n")
        (source / "audio_format").write_text("wav\n")
        decoded = DecodedSet(model / "decode_best_path" / name)
        decoded.folder.mkdir(parents=True)
        decoded.text_file.write_text("a ONE TOO\n")
        contents = Contents()
        inputs = {
            "checkpoint": contents.file(model / "model.pth"),
            "audio": contents.table(source / "wav.scp", "sound", ["a"]),
        }
        note_decoded(decoded.folder, inputs)
        request = ScoreRequest(
            source / "text", decoded.text_file, source / "utt2spk", resamples=10
        )
        score_once(request, decoded)
    return model, dump


def read(model, dump):
    row, _ = read_model_folder(model, ScoreChoice(dump_dir=dump))
    said = [one for one in row.missing if "as it is now" in one]
    return row.quality.test_wer, row.quality.dev_wer, said


def test_scores_of_what_is_there_count(scored):
    assert read(*scored) == (50.0, 50.0, [])


def test_other_transcripts(scored):
    model, dump = scored
    (dump / "test/text").write_text("a ONE TOO\n")
    test, dev, (said,) = read(model, dump)
    assert (test, dev) == (None, 50.0)
    assert "'test'" in said and "transcripts" in said and str(dump / "test") in said
    # Who does not say where the data is gets what was scored.
    assert read(model, None) == (50.0, 50.0, [])


def test_other_audio_of_the_same_length(scored):
    model, dump = scored
    soundfile.write(dump / "dev/a.wav", np.full(800, 0.2), 16000)
    test, dev, (said,) = read(model, dump)
    assert (test, dev) == (50.0, None)
    assert "'dev'" in said and "audio" in said


def test_audio_that_was_deleted_has_not_changed(scored):
    model, dump = scored
    (dump / "dev/a.wav").unlink()
    assert read(model, dump) == (50.0, 50.0, [])


def test_another_model(scored):
    model, dump = scored
    (model / "model.pth").write_bytes(b"other weights")
    test, dev, said = read(model, dump)
    assert (test, dev) == (None, None)
    assert len(said) == 2 and all("model.pth" in one for one in said)


def test_a_set_that_was_decoded_again_and_not_scored(scored):
    """A kill between the two leaves the score of the old text beside the new text."""
    model, dump = scored
    decoded = DecodedSet(model / "decode_best_path/test")
    inputs = json.loads(decoded.decoded_file.read_text())
    forget_decoded(decoded.folder)
    assert read(model, dump)[:2] == (None, 50.0)
    decoded.text_file.write_text("a ONE TWO\n")
    assert read(model, dump)[:2] == (None, 50.0)
    note_decoded(decoded.folder, inputs)
    test, dev, (said,) = read(model, dump)
    assert (test, dev) == (None, 50.0) and "decoded again" in said
    source = dump / "test"
    score_once(
        ScoreRequest(
            source / "text", decoded.text_file, source / "utt2spk", resamples=10
        ),
        decoded,
    )
    assert read(model, dump) == (0.0, 50.0, [])


def test_the_sets_are_read_once_for_all_models(scored, monkeypatch):
    model, dump = scored
    models = [model]
    for seed in (2, 3, 4):
        models.append(shutil.copytree(model, model.with_name(f"asr_{seed}")))
        meta = models[-1] / "meta.json"
        meta.write_text(meta.read_text().replace('"seed": 1', f'"seed": {seed}'))
    asked, table = [], Contents.table

    def noted(self, path, *args):
        asked.append(path)
        return table(self, path, *args)

    monkeypatch.setattr(Contents, "table", noted)
    rows = gather(models, ScoreChoice(dump_dir=dump)).rows
    assert [row.quality.test_wer for row in rows] == [50.0] * 4
    assert sorted(asked) == [dump / "dev/wav.scp", dump / "test/wav.scp"]


@pytest.mark.parametrize("name", ["scored_file", "decoded_file"])
def test_what_an_earlier_version_scored_counts(scored, name):
    model, dump = scored
    getattr(DecodedSet(model / "decode_best_path/test"), name).unlink()
    assert read(model, dump) == (50.0, 50.0, [])


def test_a_set_that_is_not_there_any_more(scored):
    model, dump = scored
    (dump / "test").rename(dump / "elsewhere")
    assert read(model, dump) == (50.0, 50.0, [])


def test_without_a_test_set_an_old_one_does_not_count(scored, tmp_path):
    """--test_sets '' after stage 7: what is decoded is not today's."""
    model, dump = scored
    row, names = read_model_folder(model, ScoreChoice(test_set="", dump_dir=dump))
    assert row.quality.test_wer is None and names is None
    assert row.quality.dev_wer == 50.0 and not any("test" in one for one in row.missing)
    report = tmp_path / "report"
    command = [str(model), "--test_set", "", "--output_dir", str(report)]
    assert report_command.main(command) == 0
    table = (report / "RESULTS.md").read_text()
    assert table.count("50.0 [50.0, 50.0]") == 1  # that of dev


def test_a_report_is_not_replaced_by_one_without_scores(scored, tmp_path, caplog):
    model, dump = scored
    report = tmp_path / "report"
    command = [str(model), "--dump_dir", str(dump), "--output_dir", str(report)]
    assert report_command.main(command) == 0
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    assert b"50.0" in before[report / "RESULTS.md"]
    (dump / "test/text").write_text("a ONE TOO\n")
    assert report_command.main(command) == 2
    assert "no report is written" in caplog.text and "transcripts" in caplog.text
    after = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    assert after == before
