"""Read TED-LIUM's STM transcripts as the recipes of Kaldi and ESPnet do.

A line is ``<talk> <channel> <speaker> <start> <end> <label> <words>``. Real files also
have lines that must be ignored, marks of noise, pronunciation variants and silence,
utterance names at the end, and suffixes that are separated from their words.

The transcripts are identical to those of ESPnet's tedlium2 and tedlium3, so that error
rates can be compared. This includes one of their errors: a first word that begins with
an apostrophe ('cause) is lost, because it is joined to the label before it like a
suffix.
"""

import re
from dataclasses import dataclass, replace
from typing import Iterable, Sequence

from espnet_plugin.errors import UserError

__all__ = ["StmLine", "extend_times", "join_suffixes", "read_stm", "split_speakers"]

_IGNORED = "ignore_time_segment_in_scoring"
_VARIANT = re.compile(r"\([0-9]\)")
_NAME_AT_THE_END = re.compile(r"\([^ ]*\)$")
_AGAIN = "unpack the corpus again"


@dataclass(frozen=True)
class StmLine:
    """One utterance.

    Attributes:
        name: ``<talk>-<start>-<end>`` in hundredths of a second, as in ESPnet.
        talk: Name of the recording.
        start: Start in seconds.
        end: End in seconds.
        words: The transcript.
    """

    name: str
    talk: str
    start: float
    end: float
    words: str


def read_stm(
    sources: Iterable[tuple[str, str]], brackets: Sequence[tuple[str, str]] = ()
) -> list[StmLine]:
    """Read the STM files of a set.

    Args:
        sources: Name (for errors) and content of each file.
        brackets: Characters to replace in the words, e.g. ``("<", "[")``; ``{}`` are
            always replaced by ``[]``.

    Returns:
        The utterances that have words, sorted by name.

    Raises:
        UserError: If a line has too few fields or invalid times, or a name occurs twice
            with different words.
    """
    rows = []
    for source, content in sources:
        for number, line in enumerate(content.split("\n"), 1):
            if line.strip() and ";;" not in line:
                rows.append(_sort_key(line, f"{source}:{number}"))
    found: dict[str, StmLine] = {}
    previous = ""
    for *_, line, where in sorted(rows):
        fields = _mapped(line).split()
        if len(fields) < 5:
            raise UserError(
                f"{where}: {line!r} must have the form <talk> <channel> <speaker> "
                f"<start> <end> <label> <words>: {_AGAIN}"
            )
        fields[1] = "A"
        line = " ".join(fields)
        if line == previous:
            continue
        previous = line
        if _IGNORED in line:
            continue
        fields = join_suffixes(fields)
        words = " ".join(fields[6:])
        for old, new in (("{", "["), ("}", "]"), *brackets):
            words = words.replace(old, new)
        utterance = _utterance(fields, words, where)
        if not words:
            continue
        if found.setdefault(utterance.name, utterance) != utterance:
            raise UserError(f"{where}: {utterance.name} is listed twice: {_AGAIN}")
    return [found[name] for name in sorted(found)]


def _sort_key(line: str, where: str) -> tuple:
    fields = line.split()
    if len(fields) < 5:
        raise UserError(
            f"{where}: {line!r} must have the form <talk> <channel> <speaker> <start> "
            f"<end> <label> <words>: {_AGAIN}"
        )
    return fields[0], fields[1], _number(fields[3], where), line, where


def _number(field: str, where: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise UserError(
            f"{where}: {field!r} is not a time in seconds: {_AGAIN}"
        ) from None


def _mapped(line: str) -> str:
    line = line.replace("<F0_M>", "<o,f0,male>", 1)
    line = line.replace("<F0_F>", "<o,f0,female>", 1)
    line = _VARIANT.sub("", line).replace("<sil>", "")
    return _NAME_AT_THE_END.sub("", line)


def _utterance(fields: Sequence[str], words: str, where: str) -> StmLine:
    start, end = (_number(field, where) for field in fields[3:5])
    # Truncated to hundredths like awk's %d, as in ESPnet's segments.
    first, last = int(start * 100), int(end * 100)
    if not 0 <= first < last:
        raise UserError(
            f"{where}: from {start:g} to {end:g} s is not a time span: {_AGAIN}"
        )
    name = f"{fields[0]}-{first:07d}-{last:07d}"
    return StmLine(name, fields[0], first / 100.0, last / 100.0, words)


def join_suffixes(words: Sequence[str]) -> list[str]:
    """Join each word that begins with an apostrophe to the one before, in pairs.

    ``i 'd 've`` becomes ``i'd 've``: a joined word does not get a second suffix.
    """
    joined, index = [], 0
    while index < len(words):
        if index + 1 < len(words) and words[index + 1].startswith("'"):
            joined.append(words[index] + words[index + 1])
            index += 2
        else:
            joined.append(words[index])
            index += 1
    return joined


def extend_times(
    lines: Sequence[StmLine], before: float, after: float, at_the_end: float = 0.1
) -> list[StmLine]:
    """Extend segments into the pauses around them (Kaldi's extend_segment_times.py).

    The boundary of segments that overlap is moved to the middle of the overlap.

    Args:
        lines: Lines of any number of talks.
        before: Extension at the start of a segment in seconds.
        after: Extension at the end of a segment in seconds.
        at_the_end: Largest extension beyond the last end in a talk, in seconds.

    Returns:
        The lines in the same order, without empty segments.
    """
    times = {line.name: [line.start, line.end] for line in lines}
    talks: dict[str, list[list[float]]] = {}
    for line in lines:
        talks.setdefault(line.talk, []).append(times[line.name])
    for segments in talks.values():
        segments.sort(key=lambda t: 0.5 * (t[0] + t[1]))
        last = max(end for _, end in segments) + at_the_end
        for segment in segments:
            segment[0] = max(0, segment[0] - before)
            segment[1] = min(last, segment[1] + after)
        for this, following in zip(segments, segments[1:]):
            if this[1] > following[0]:
                this[1] = following[0] = 0.5 * (this[1] + following[0])
    return [
        replace(line, start=times[line.name][0], end=times[line.name][1])
        for line in lines
        if times[line.name][0] < times[line.name][1]
    ]


def split_speakers(lines: Sequence[StmLine], max_seconds: float) -> dict[str, str]:
    """Divide each talk into speakers with a few minutes, ``<talk>-1``, ``<talk>-2``...

    The result is that of Kaldi's modify_speaker_info.sh.

    Args:
        lines: The lines, sorted by name.
        max_seconds: Longest speech of one speaker in seconds.

    Returns:
        The speaker by utterance.
    """
    groups: dict[str, list[list[str]]] = {}
    seconds: dict[str, float] = {}
    for line in lines:
        # Six digits, as awk prints the durations that Kaldi sums.
        length = float(f"{line.end - line.start:.6g}")
        talk = groups.setdefault(line.talk, [])
        if not talk or seconds[line.talk] + length > max_seconds:
            talk.append([])
            seconds[line.talk] = 0.0
        talk[-1].append(line.name)
        seconds[line.talk] += length
    return {
        name: f"{talk}-{number:0{len(str(len(parts)))}d}"
        for talk, parts in groups.items()
        for number, names in enumerate(parts, 1)
        for name in names
    }
