"""The command on whole files with a plain ESPnet experiment."""

import json

import numpy as np
import pytest
import soundfile

from espnet_plugin.bin import confidence, recognise
from espnet_plugin.files import read_json, read_pairs
from espnet_plugin.recognise.espnet_model import EspnetCtcModel
from espnet_plugin.recognise.recogniser import Recogniser


@pytest.fixture(scope="module")
def files(tiny_asr_model):
    return list(read_pairs(tiny_asr_model.wav_scp).values())


@pytest.fixture(scope="module")
def texts(tiny_asr_model, files):
    recogniser = Recogniser(EspnetCtcModel(tiny_asr_model.dir))
    return [recogniser.file(path).text for path in files]


def run(capsys, folder, *options):
    status = recognise.main([str(folder), *map(str, options)])
    return status, capsys.readouterr().out.splitlines()


def test_texts_in_the_order_of_the_files(tiny_asr_model, files, texts, capsys):
    status, lines = run(capsys, tiny_asr_model.dir, *files)
    assert status == 0 and lines == texts and any(texts)


def test_a_bad_file_among_good_ones(
    tiny_asr_model, files, texts, capsys, caplog, tmp_path
):
    bad = tmp_path / "empty.wav"
    bad.write_bytes(b"")
    options = [files[0], bad, "missing.wav", files[1], "--format", "json"]
    status, lines = run(capsys, tiny_asr_model.dir, *options)
    found = [json.loads(line) for line in lines]
    assert status == 2
    assert [item.get("text") for item in found] == [texts[0], None, None, texts[1]]
    assert "empty.wav is empty" in found[1]["error"]
    assert "missing.wav is missing" in found[2]["error"]
    assert "2 of 4 files were not recognised" in caplog.text


def test_another_rate_and_two_channels(tiny_asr_model, files, capsys, tmp_path):
    samples, rate = soundfile.read(files[2])
    path = tmp_path / "stereo.flac"
    double = np.repeat(samples, 2)
    soundfile.write(path, np.stack([double, double], 1), 2 * rate)
    options = [path, "--format", "json", "--nbest", "3", "--channel", "1"]
    status, (line,) = run(capsys, tiny_asr_model.dir, *options)
    found = json.loads(line)
    assert status == 0 and found["notes"] == ["resampled from 32000 to 16000 Hz"]
    assert found["seconds"] == pytest.approx(len(samples) / rate)
    (segment,) = found["segments"]
    assert len(segment["nbest"]) == 3
    words = segment["words"]
    assert segment["nbest"][0]["text"] == " ".join(word["word"] for word in words)
    for word in words:
        assert 0 <= word["start"] < word["end"] <= found["seconds"]
        assert 0 <= word["confidence"] <= 1


def test_contextual_words_and_files_written(tiny_asr_model, files, capsys, tmp_path):
    options = [files[0], "--format", "json", "--nbest", "2"]
    _, (line,) = run(capsys, tiny_asr_model.dir, *options)
    best, second = (one["text"] for one in json.loads(line)["segments"][0]["nbest"])
    words = tmp_path / "words.txt"
    words.write_text("".join(f"{word}\n" for word in set(second.split())))
    options = ["--hotwords", words, "--hotword_weight", "2", "--format", "srt"]
    options += ["--output_dir", tmp_path / "out"]
    status, lines = run(capsys, tiny_asr_model.dir, files[0], *options)
    assert status == 0 and lines == [] and best != second
    (written,) = (tmp_path / "out").iterdir()
    number, times, *said = written.read_text().splitlines()
    assert written.suffix == ".srt" and number == "1" and " --> " in times
    assert " ".join(said) == second


@pytest.mark.parametrize(
    "options, message",
    [
        (["--hotword_weight", "2"], "--hotword_weight needs --hotwords FILE"),
        (
            ["--format", "json", "--quiet"],
            "--quiet is for streaming models and --format",
        ),
        (["--model_file", "none.pth"], "has no checkpoint 'none.pth'"),
        (["--hotwords", "none.txt"], "none.txt cannot be read"),
        (["--real_time"], "cannot stream"),
    ],
)
def test_bad_options(tiny_asr_model, files, caplog, options, message):
    assert recognise.main([str(tiny_asr_model.dir), files[0], *options]) == 2
    assert message in caplog.text


def test_a_word_that_the_model_cannot_write(tiny_asr_model, files, caplog, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("HELLO\nhello\n")
    options = ["--hotwords", str(words)]
    assert recognise.main([str(tiny_asr_model.dir), files[0], *options]) == 2
    assert f"{words}:2: the model cannot write 'h' of 'hello'" in caplog.text
    assert "write 'HELLO'" in caplog.text


def test_what_is_not_there(tiny_asr_model, files, caplog, tmp_path):
    assert recognise.main([str(tmp_path / "none"), files[0]]) == 2
    assert "none: the folder does not exist" in caplog.text
    assert recognise.main([str(tiny_asr_model.dir), "one.wav", "two.wav"]) == 2
    assert "one.wav, two.wav: no such file" in caplog.text
    assert recognise.main([str(tmp_path), files[0]]) == 2
    assert "config.yaml is missing" in caplog.text
    assert recognise.main([str(tiny_asr_model.dir), "-"]) == 2
    assert "cannot stream" in caplog.text


def test_calibrated_by_the_other_command(
    tiny_asr_model, files, texts, tmp_path, capsys, caplog
):
    folder = tmp_path / "exp"
    folder.mkdir()
    for path in tiny_asr_model.dir.iterdir():
        (folder / path.name).symlink_to(path)
    data = tmp_path / "data"
    data.mkdir()
    # What it says itself is right in every second utterance, ten times.
    scp, text = [], []
    for number in range(10):
        for index, (path, said) in enumerate(zip(files, texts)):
            scp.append(f"utt{number}-{index} {path}\n")
            text.append(f"utt{number}-{index} {said if index % 2 else 'NO'}\n")
    (data / "wav.scp").write_text("".join(scp))
    (data / "text").write_text("".join(text))
    options = ["--data_dir", str(data), "--test_dir", str(data)]
    assert confidence.main([str(folder), *options]) == 0
    dev, test = capsys.readouterr().out.splitlines()
    kept = read_json(folder / "confidence.json")
    assert f"{kept['ece_before']:.4f} before, {kept['ece_after']:.4f} after" in dev
    assert f"{kept['ece_before']:.4f} before" in test and "after" in test
    # The same set: without calibration the same, and not cross-fitted after it.
    assert kept["test_ece_before"] == kept["ece_before"]
    assert f"{kept['test_ece_after']:.4f} after" in test
    assert kept["test_words"] == kept["words"]
    assert kept["words"] == 10 * len(" ".join(texts).split())
    status, (line,) = run(capsys, folder, files[0], "--format", "json")
    assert status == 0 and json.loads(line)["confidence_calibrated"]
    plain = run(capsys, tiny_asr_model.dir, files[0], "--format", "json")[1][0]
    assert not json.loads(plain)["confidence_calibrated"]
    # Without a word that is wrong there is nothing to fit.
    assert confidence.main([str(folder), "--data_dir", str(tmp_path)]) == 2
    assert "wav.scp is missing" in caplog.text
