"""Recordings in a script without spaces: each letter has its own time."""

import json

import pytest
import soundfile
from fake_ctc_model import SAMPLE_RATE, TOKENS, FakeModel, say

from espnet_plugin.recognise.calibrate import judge_set
from espnet_plugin.recognise.formats import to_json, to_srt
from espnet_plugin.recognise.recogniser import Recogniser, SearchOptions

CHINESE = {letter: chr(0x4E00 + n) for n, letter in enumerate("ABCDEFGHIJKLMNOP")}


class ChineseModel(FakeModel):
    """What is heard as A to P elsewhere is a Chinese letter here."""

    tokens = tuple(CHINESE.get(token, token) for token in TOKENS)


def recorded(path, spoken):
    samples = say(spoken, frames_each=2, pause=1)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    return str(path)


def chinese(text):
    return "".join(CHINESE.get(letter, letter) for letter in text)


@pytest.mark.parametrize("nbest", [1, 3])
def test_each_letter_has_its_own_time(tmp_path, nbest):
    path = recorded(tmp_path / "a.wav", "ABXYC")
    transcript = Recogniser(ChineseModel(), SearchOptions(nbest=nbest)).file(path)
    content = json.loads(to_json(transcript))
    (segment,) = content["segments"]
    assert content["text"] == segment["text"] == chinese("ABXYC")
    assert segment["nbest"][0]["text"] == chinese("ABXYC")
    words = segment["words"]
    assert [word["word"] for word in words] == list(chinese("AB")) + [
        "XY",
        chinese("C"),
    ]
    # Two frames of 40 ms each and a blank: by hand.
    assert [word["start"] for word in words] == [0.0, 0.12, 0.24, 0.48]
    assert [word["end"] for word in words] == [0.08, 0.2, 0.44, 0.56]


def test_subtitles_have_whole_lines(tmp_path):
    spoken = "ABCDEFGHIJKLMNOP" * 4
    path = recorded(tmp_path / "a.wav", spoken)
    content = to_srt(Recogniser(ChineseModel()).file(path))
    blocks = [block.split("\n") for block in content.split("\n\n")]
    lines = [line for block in blocks for line in block[2:]]
    assert "".join(lines) == chinese(spoken)
    assert 3 <= len(lines) <= 5 and all(8 <= len(line) <= 21 for line in lines)


def test_confidence_is_that_of_letters(tmp_path):
    recorded(tmp_path / "a.wav", "ABXYC")
    (tmp_path / "wav.scp").write_text(f"a {tmp_path}/a.wav\n")
    (tmp_path / "text").write_text(f"a {chinese('ADXYC')}\n")
    model = ChineseModel()
    judged = judge_set(model, Recogniser(model), tmp_path)
    assert judged.correct == [[True, False, True, True]]
