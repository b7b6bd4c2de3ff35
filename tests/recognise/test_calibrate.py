"""Fitting confidence on a Kaldi folder with a model whose posteriors are known."""

import numpy as np
import pytest
import soundfile
from fake_ctc_model import SAMPLE_RATE, FakeModel, say

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.calibrate import (
    calibration_errors,
    judge_set,
    right_words,
)
from espnet_plugin.recognise.confidence import TEMPERATURES, Calibration, fit
from espnet_plugin.recognise.recogniser import Recogniser


def test_which_words_are_right():
    """Counted by hand."""
    assert right_words("A B C", ["A", "B", "C"]) == [True] * 3
    assert right_words("A B C", ["A", "X", "C", "D"]) == [True, False, True, False]
    assert right_words("A B C", ["C"]) == [True]
    assert right_words("", ["A"]) == [False] and right_words("A", []) == []


@pytest.fixture
def folder(tmp_path):
    """Forty utterances of two words; the second is transcribed as another in ten."""
    scp, text = [], []
    for number in range(40):
        name, path = f"utt{number:02d}", tmp_path / f"{number:02d}.wav"
        soundfile.write(path, say("AB CD"), SAMPLE_RATE, subtype="FLOAT")
        scp.append(f"{name} {path}\n")
        text.append(f"{name} AB {'CD' if number >= 10 else 'CE'}\n")
    (tmp_path / "wav.scp").write_text("".join(scp))
    (tmp_path / "text").write_text("".join(text))
    return tmp_path


def test_seventy_of_eighty_words_are_right(folder):
    model = FakeModel()
    judged = judge_set(model, Recogniser(model), folder)
    assert (judged.num_words, judged.num_right) == (80, 70)
    assert judged.correct == [[True, False]] * 10 + [[True, True]] * 30
    assert judged.words[0][0].shape == (2, len(TEMPERATURES))
    found = fit(judged.words, judged.correct, "abc")
    # All words look alike, so the best there is says 70 / 80 of each.
    before, after = calibration_errors(judged, found)
    assert before == pytest.approx(0.9 - 70 / 80, abs=1e-6)
    assert after < 0.02 and found.ece_before == pytest.approx(before)
    # Its own confidence of a file is that, too.
    recogniser = Recogniser(model, calibration=found)
    word = recogniser.file(str(folder / "00.wav")).words[0]
    assert word.confidence == pytest.approx(70 / 80, abs=0.02)


def test_bad_folders(folder):
    model = FakeModel()
    recogniser = Recogniser(model)
    (folder / "text").write_text("utt00 AB CD\n")
    with pytest.raises(UserError, match="text lacks 39 of the 40 utterances"):
        judge_set(model, recogniser, folder)
    (folder / "wav.scp").write_text("utt00 none.wav\n")
    with pytest.raises(UserError, match="none.wav is missing"):
        judge_set(model, recogniser, folder)
    with pytest.raises(UserError, match="nowhere/wav.scp is missing"):
        judge_set(model, recogniser, "nowhere")


def test_without_a_word_there_is_no_error(folder):
    judged = judge_set(FakeModel(), Recogniser(FakeModel()), folder)
    with pytest.raises(UserError, match="no word"):
        calibration_errors(judged._replace(words=[], correct=[]), Calibration())


def test_segments_are_cut_out_of_their_recording(folder):
    """Two recordings of twenty utterances each, instead of forty files."""
    names = [line.split()[0] for line in (folder / "text").read_text().splitlines()]
    segments, scp = [], []
    for half in range(2):
        place, parts = 0, []
        for name in names[20 * half : 20 * half + 20]:
            speech = soundfile.read(folder / f"{name[3:]}.wav", dtype="float32")[0]
            start, end = place / SAMPLE_RATE, (place + len(speech)) / SAMPLE_RATE
            segments.append(f"{name} rec{half} {start} {end}\n")
            # Other words between the utterances.
            parts += [speech, say("CE")]
            place += sum(map(len, parts[-2:]))
        path = folder / f"rec{half}.wav"
        soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="FLOAT")
        scp.append(f"rec{half} {path}\n")
    model = FakeModel()
    expected = judge_set(model, Recogniser(model), folder)
    (folder / "wav.scp").write_text("".join(scp))
    (folder / "segments").write_text("".join(segments))
    judged = judge_set(model, Recogniser(model), folder)
    assert judged.correct == expected.correct
    for one, same in zip(judged.words, expected.words, strict=True):
        for word, equal in zip(one, same, strict=True):
            np.testing.assert_allclose(word, equal, atol=1e-6)


@pytest.mark.parametrize(
    "scp, segments, said",
    [
        ("utt00 cat 00.wav |\n", None, "utt00 is a command .*stage 2"),
        (None, "utt00 no 0 1\n", "recording no of utt00 is not in wav.scp"),
        (None, "utt00 utt00 0\n", "segments: utt00 has 'utt00 0': "),
        (None, "utt00 utt00 99 100\n", "utt00 has no samples: .*99.0 s"),
        (None, "utt00 utt00 0 1\nx utt01 0 1\n", "lacks 1 of the 2 .*segments \\(x\\)"),
    ],
)
def test_bad_segments_and_commands(folder, scp, segments, said):
    if scp is not None:
        (folder / "wav.scp").write_text(scp)
    if segments is not None:
        (folder / "segments").write_text(segments)
    model = FakeModel()
    with pytest.raises(UserError, match=said):
        judge_set(model, Recogniser(model), folder)
