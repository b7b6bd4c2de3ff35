"""Transcripts as plain text, JSON and subtitles."""

import json
import re
import unicodedata
from dataclasses import replace
from math import ceil
from typing import Any, Callable, Mapping, Sequence

from espnet_plugin.recognise.scripts import JOINER, belongs_to_letter
from espnet_plugin.recognise.transcript import Transcript, Word
from espnet_plugin.recognise.vocabulary import joined

__all__ = ["FORMATS", "SUFFIXES", "cues", "one_line", "to_json", "to_srt", "to_text"]

# Usual limits of subtitles: two lines of 42 characters, readable in the time shown. A
# Chinese or Japanese one is as wide as two.
CUE_LETTERS = 84
LINE_LETTERS = 42
CUE_SECONDS = 6.0
# A pause of at least this length begins a new subtitle.
CUE_PAUSE_SECONDS = 1.0
# Shorter subtitles, e.g. of a single word, could not be read.
LEAST_CUE_SECONDS = 0.8


def to_text(transcript: Transcript) -> str:
    """Return the text on one line."""
    return transcript.text


def to_json(transcript: Transcript) -> str:
    """Return one line of JSON.

    ``file``, ``seconds``, ``text``, ``confidence_calibrated``, ``notes`` and
    ``segments``, each with ``start``, ``end``, ``text``, ``words`` (``word``,
    ``start``, ``end``, ``confidence``) and ``nbest`` (``text``, ``score``). Times are
    seconds from the beginning of the file, to the millisecond.
    """
    segments = [
        {
            "start": round(part.start, 3),
            "end": round(part.end, 3),
            "text": joined(part.words),
            "words": [
                {
                    "word": word.text,
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "confidence": round(word.confidence, 4),
                }
                for word in part.words
            ],
            "nbest": [
                {"text": one.text, "score": round(one.score, 4)}
                for one in part.alternatives
            ],
        }
        for part in transcript.parts
    ]
    content = {
        "file": transcript.file,
        "seconds": round(transcript.seconds, 3),
        "text": transcript.text,
        "confidence_calibrated": transcript.calibrated,
        "notes": list(transcript.notes),
        "segments": segments,
    }
    return one_line(content)


def one_line(content: Mapping[str, Any]) -> str:
    """Return JSON on one line; bytes of a file name that are no UTF-8 are escaped."""
    line = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", line)


def to_srt(transcript: Transcript) -> str:
    """Return SubRip subtitles without a final newline; empty if there are no words.

    A word that does not fit into a line or lasts too long, as do the words of a
    language without spaces together, is divided where its letters were recognised.
    """
    words = _merged(transcript.words)
    groups = cues([piece for word in words for piece in _pieces(word)])
    starts = [group[0].start for group in groups[1:]] + [transcript.seconds]
    blocks = []
    for number, (group, next_start) in enumerate(zip(groups, starts), 1):
        start, end = group[0].start, group[-1].end
        # Extended if there is room, but not into the next one or beyond the audio.
        end = max(end, min(start + LEAST_CUE_SECONDS, next_start))
        lines = "\n".join(_wrap([word.text for word in group]))
        first = round(1000 * start)
        # Players ignore or refuse subtitles without a duration.
        last = max(round(1000 * end), first + 1)
        blocks.append(f"{number}\n{_clock(first)} --> {_clock(last)}\n{lines}\n")
    return "\n".join(blocks).rstrip("\n")


def cues(words: Sequence[Word]) -> list[list[Word]]:
    """Group words into subtitles.

    A subtitle ends before a pause of at least one second, and where another word would
    make it longer than six seconds or two lines.
    """
    groups: list[list[Word]] = []
    for word in words:
        group = groups[-1] if groups else None
        if group is None or not _fits(group, word):
            groups.append([word])
        else:
            group.append(word)
    return groups


def _merged(words: Sequence[Word]) -> list[Word]:
    """Join the words that have no space in between."""
    found: list[Word] = []
    for word in words:
        if word.glued and found:
            last = found[-1]
            word = replace(
                last,
                text=last.text + word.text,
                end=word.end,
                letter_starts=last.letter_starts + word.letter_starts,
            )
            found.pop()
        found.append(word)
    return found


def _fits(group: list[Word], word: Word) -> bool:
    texts = [item.text for item in group] + [word.text]
    return (
        word.start - group[-1].end < CUE_PAUSE_SECONDS
        and word.end - group[0].start <= CUE_SECONDS
        and _width(" ".join(texts)) <= CUE_LETTERS
        and len(_wrap(texts)) <= CUE_LETTERS // LINE_LETTERS
    )


def _wrap(texts: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        if lines and _width(lines[-1]) + 1 + _width(text) <= LINE_LETTERS:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines


def _pieces(word: Word) -> list[Word]:
    """Divide a word into pieces that fit into a line and a subtitle.

    Without the times of its letters, they are taken to be equally long.
    """
    seconds, letters = word.end - word.start, len(word.text)
    count = max(ceil(_width(word.text) / LINE_LETTERS), ceil(seconds / CUE_SECONDS))
    cuts = [round(n * letters / count) for n in range(1, count)] if count > 1 else []
    cuts = [cut for cut in map(lambda cut: _between(word.text, cut), cuts) if cut]
    cuts = [0, *sorted(set(cuts)), letters]
    if len(cuts) == 2:
        return [word]
    starts = word.letter_starts
    if len(starts) != letters:
        starts = tuple(word.start + seconds * n / letters for n in range(letters))
    ends = [starts[cut] for cut in cuts[1:-1]] + [word.end]
    return [
        piece
        for a, b, end in zip(cuts, cuts[1:], ends)
        for piece in _pieces(
            replace(
                word,
                text=word.text[a:b],
                start=starts[a] if a else word.start,
                end=end,
                letter_starts=starts[a:b],
            )
        )
    ]


def _between(text: str, cut: int) -> int:
    """Return the next place where no accent, emoji or the like is cut in two.

    That is 0 if there is none.
    """
    while cut < len(text):
        if not belongs_to_letter(text[cut]) and text[cut - 1] != JOINER:
            return cut
        cut += 1
    return 0


def _width(text: str) -> int:
    """Return how many letters of the Latin script are as wide."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
        if not belongs_to_letter(c)
    )


def _clock(milliseconds: int) -> str:
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d},{milliseconds:03d}"


FORMATS: dict[str, Callable[[Transcript], str]] = {
    "text": to_text,
    "json": to_json,
    "srt": to_srt,
}
SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt"}
