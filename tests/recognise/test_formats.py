"""What is printed, parsed again by independent means."""

import json
import re

import pytest

from espnet_plugin.recognise.formats import cues, to_json, to_srt, to_text
from espnet_plugin.recognise.transcript import Alternative, Part, Transcript, Word


def transcript(words, seconds=None, **options):
    seconds = words[-1].end + 1 if seconds is None else seconds
    text = " ".join(word.text for word in words)
    part = Part(0.0, seconds, tuple(words), (Alternative(text, -1.25),))
    values = dict(file="a.wav", notes=(), calibrated=False)
    return Transcript(seconds=seconds, parts=(part,), **{**values, **options})


def evenly(texts, each=0.4, gap=0.1, start=0.0):
    words = []
    for text in texts:
        words.append(Word(text, start, start + each, 0.5))
        start += each + gap
    return words


def parse_srt(content):
    """Number, begin, end (seconds) and lines of each subtitle."""
    found = []
    for block in content.split("\n\n"):
        number, times, *lines = block.split("\n")
        begin, end = (
            sum(
                int(part) * scale
                for part, scale in zip(re.split("[:,]", t), (3600, 60, 1, 0.001))
            )
            for t in times.split(" --> ")
        )
        found.append((int(number), begin, end, lines))
    return found


def test_json_holds_everything():
    words = [Word("GR\u00dcN", 0.12345, 0.5, 0.98765), Word("B", 0.6, 0.9, 0.1)]
    content = to_json(transcript(words, 2.0, notes=("resampled",), calibrated=True))
    assert "\n" not in content and "GR\u00dcN" in content
    assert json.loads(content) == {
        "file": "a.wav",
        "seconds": 2.0,
        "text": "GR\u00dcN B",
        "confidence_calibrated": True,
        "notes": ["resampled"],
        "segments": [
            {
                "start": 0.0,
                "end": 2.0,
                "text": "GR\u00dcN B",
                "words": [
                    {
                        "word": "GR\u00dcN",
                        "start": 0.123,
                        "end": 0.5,
                        "confidence": 0.9877,
                    },
                    {"word": "B", "start": 0.6, "end": 0.9, "confidence": 0.1},
                ],
                "nbest": [{"text": "GR\u00dcN B", "score": -1.25}],
            }
        ],
    }


def test_text_is_one_line():
    assert to_text(transcript(evenly(["A", "B"]))) == "A B"
    assert to_text(Transcript("a", 1.0, (), (), False)) == ""


def test_subtitles_hold_every_word_once_and_in_time():
    texts = [f"WORD{number:03d}" for number in range(80)]
    words = evenly(texts)
    found = parse_srt(to_srt(transcript(words)))
    assert [number for number, *_ in found] == list(range(1, len(found) + 1))
    assert " ".join(" ".join(lines) for *_, lines in found).split() == texts
    for _, begin, end, lines in found:
        assert begin < end <= begin + 6.001 and len(lines) <= 2
        assert all(len(line) <= 42 for line in lines)
    assert all(one[2] <= other[1] for one, other in zip(found, found[1:]))


def test_a_pause_begins_a_subtitle():
    words = evenly(["A", "B"]) + evenly(["C"], start=2.0) + evenly(["D"], start=3.1)
    groups = [[word.text for word in group] for group in cues(words)]
    assert groups == [["A", "B"], ["C", "D"]]


def test_a_short_word_stays_long_enough_to_read_if_there_is_room():
    one, other = Word("NO", 1.0, 1.1, 1.0), Word("YES", 2.2, 2.3, 1.0)
    (_, _, first, _), (_, _, last, _) = parse_srt(to_srt(transcript([one, other], 2.5)))
    assert first == pytest.approx(1.8) and last == pytest.approx(2.5)


def test_hours_and_the_longest_words():
    words = [Word("X" * 60, 3725.5, 3726.0, 1.0), Word("Y" * 60, 3726.1, 3727.0, 1.0)]
    content = to_srt(transcript(words))
    assert content.startswith("1\n01:02:05,500 --> 01:02:06,")
    # Longer than a line, so each is divided; both are too much for one subtitle.
    assert [lines for *_, lines in parse_srt(content)] == [
        ["X" * 30] * 2,
        ["Y" * 30] * 2,
    ]
    assert to_srt(Transcript("a", 1.0, (), (), False)) == ""


def test_subtitles_of_a_language_without_spaces():
    """A whole segment is one word then: 20 s, and 200 letters."""
    letters = "".join(chr(0x4E00 + n) for n in range(200))
    words = [Word(letters, 3.0, 23.0, 0.5), Word("OK", 23.5, 24.0, 0.5)]
    found = parse_srt(to_srt(transcript(words)))
    shown = "".join("".join(lines) for *_, lines in found)
    assert shown == letters + "OK"
    before = 0.0
    for _, begin, end, lines in found:
        assert before <= begin < end <= begin + 6.001 and len(lines) <= 2
        assert max(map(len, lines)) <= 42
        # A letter each 0.1 s, and the first one of a subtitle is shown when it is said.
        place = letters.find(lines[0][0])
        assert begin == pytest.approx(
            3.0 + 0.1 * place if place >= 0 else 23.5, abs=2e-3
        )
        before = end


def test_no_subtitle_is_without_a_duration():
    """Those of an export, of audio that is shorter than its first frame."""
    words = [Word("A", 0.0, 6.25e-05, 0.5)]
    ((_, begin, end, _),) = parse_srt(to_srt(transcript(words, 6.25e-05)))
    assert (begin, end) == (0.0, 0.001)


def test_wide_letters_and_their_own_times():
    """Chinese: a line holds half as many, and each piece begins with its token."""
    letters = "".join(chr(0x4E00 + n) for n in range(50))
    starts = tuple(0.2 * n + (4.0 if n >= 20 else 0.0) for n in range(50))
    word = Word(letters, 0.0, 14.0, 0.5, starts)
    found = parse_srt(to_srt(transcript([word], 14.0)))
    assert "".join("".join(lines) for *_, lines in found) == letters
    for _, begin, end, lines in found:
        assert begin == pytest.approx(starts[letters.index(lines[0][0])], abs=2e-3)
        assert end - begin <= 6.001 and max(map(len, lines)) <= 21


def test_no_letter_is_cut_in_two():
    # A family of three joined emoji, a hand with a skin tone, and an e with an accent.
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for one in (family, "\U0001f44d\U0001f3fd", "e\u0301", "\u0e01\u0e49"):
        found = parse_srt(to_srt(transcript([Word(70 * one, 0.0, 30.0, 0.5)], 30.0)))
        shown = [line for *_, lines in found for line in lines]
        assert "".join(shown) == 70 * one and len(shown) > 4
        assert all(line == one * (len(line) // len(one)) for line in shown)
    # Of a single one, however long it lasts, there is nothing to be divided.
    assert len(parse_srt(to_srt(transcript([Word("e\u0301", 0.0, 30.0, 0.5)])))) == 1
