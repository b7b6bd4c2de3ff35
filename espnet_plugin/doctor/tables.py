"""Check the tables of one folder line by line, each line by itself."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Collection, Iterator

from espnet_plugin.counted import counted
from espnet_plugin.data.kaldi import audio_alone, seconds, segment_fields
from espnet_plugin.doctor.markup import (
    compatibility_letters,
    markup_in,
    wrongly_decoded,
)
from espnet_plugin.doctor.other_formats import what_file_is, what_folder_is
from espnet_plugin.doctor.store import Store
from espnet_plugin.files import not_a_table
from espnet_plugin.text import (
    clean_text,
    id_problem,
    mixed_scripts,
    symbols_in,
    text_problem,
    what_is_cleaned,
)

__all__ = ["TextFacts", "read_tables"]

# Longest line of a table in bytes; a file with a longer one is binary.
_LONGEST = 1 << 20
_EXCERPT = 60
_BOM = b"\xef\xbb\xbf"
_MARKS = re.compile(r"\[|\{|<|\u2581")


@dataclass
class TextFacts:
    """What is counted while the transcripts of a set are read.

    Attributes:
        characters: How often each character occurs.
        first: The first utterance with each character, and its line number.
        upper: Number of utterances with upper-case letters only.
        lower: Number of utterances with lower-case letters only.
        mixed: Number of utterances with both.
        several: Number of utterances with at least three words that have letters.
        spelt: Number of those whose words are single letters.
    """

    characters: Counter = field(default_factory=Counter)
    first: dict[str, tuple[str, int]] = field(default_factory=dict)
    upper: int = 0
    lower: int = 0
    mixed: int = 0
    several: int = 0
    spelt: int = 0


Line = tuple[int, str, str]


def read_tables(
    store: Store, number: int, folder: Path, labelled: bool, symbols: Collection[str]
) -> TextFacts:
    """Put the tables of a folder into the store.

    Args:
        store: Receives rows and findings.
        number: The set's number.
        folder: Kaldi folder.
        labelled: Whether it must have transcripts.
        symbols: Non-linguistic symbols that are expected.
    """
    facts = TextFacts()

    def lines(name: str) -> Iterator[Line]:
        return _lines(store, folder / name)

    def plain(name: str):
        for line, key, value in lines(name):
            _check_value(store, folder / name, line, key, value)
            yield number, line, key, value

    if not folder.is_dir():
        what = "the folder does not exist"
        if folder.is_file():
            what = f"this is {what_file_is(folder)}"
        store.report("missing-table", folder, 0, "", what)
        return facts
    inner = sorted(one.parent.name for one in folder.glob("[!.]*/wav.scp"))
    if inner and not (folder / "wav.scp").exists():
        what = f"the folder has no tables, but the sets {' '.join(inner)}: give these"
        store.report("missing-table", folder, 0, "", what)
        return facts
    other = what_folder_is(folder)
    if other:
        store.report("missing-table", folder, 0, "", other)
        return facts
    if (folder / "wav.scp").exists() or not (folder / "feats.scp").exists():
        if _there(store, folder / "wav.scp"):
            store.add("wav", plain("wav.scp"))
    else:
        store.report(
            "features-alone", folder / "feats.scp", 0, "", "the folder has no wav.scp"
        )
        store.add("wav", plain("feats.scp"))
    if (folder / "segments").exists() and _there(store, folder / "segments"):
        store.add("seg", _segments(store, number, folder / "segments", lines))
    if labelled:
        if _there(store, folder / "text", audio_alone(folder.name)):
            store.add("txt", _text(store, number, folder, lines, facts, symbols))
    if labelled or (folder / "utt2spk").exists():
        if _there(store, folder / "utt2spk"):
            store.add("spk", _speakers(store, number, folder / "utt2spk", lines))
    if (folder / "spk2utt").exists():
        _compare_spk2utt(store, number, folder, lines)
    return facts


def _there(store: Store, path: Path, hint: str = "") -> bool:
    if path.is_symlink() and not path.exists():
        hint = f"it is a link to {path.readlink()}, which does not exist"
    if not path.is_file():
        store.report("missing-table", path, 0, "", hint or "the file is missing")
        return False
    with path.open("rb") as stream:
        head = stream.read(_LONGEST)
    problem = not_a_table(head)
    if problem:
        store.report("missing-table", path, 0, "", problem)
        return False
    if not head.strip():
        store.report("missing-table", path, 0, "", hint or "the file is empty")
        return False
    return True


def _lines(store: Store, path: Path) -> Iterator[Line]:
    """Yield (number, name, rest), split as ESPnet does; report invalid lines."""
    previous, unsorted, endings, blank = b"", 0, 0, 0
    first_ending = first_blank = 0
    try:
        stream = path.open("rb")
    except OSError as error:
        store.report("missing-table", path, 0, "", error.strerror or str(error))
        return
    with stream:
        number = 0
        while raw := stream.readline(_LONGEST):
            number += 1
            if len(raw) == _LONGEST and not raw.endswith(b"\n"):
                store.report(
                    "encoding",
                    path,
                    number,
                    "",
                    "a line does not end: the file may be binary",
                )
                return
            if number == 1 and raw.startswith(_BOM):
                store.report("byte-order-mark", path, 1, "", "U+FEFF before the name")
                raw = raw[len(_BOM) :]
            if raw.endswith(b"\r\n"):
                endings += 1
                first_ending = first_ending or number
            if b"\r" in raw.rstrip(b"\r\n"):
                shown = raw[:_EXCERPT].decode("utf-8", "backslashreplace")
                what = (
                    f"{shown!r}: a carriage return within the line, while other lines "
                    "end with one"
                )
                store.report("damaged", path, number, "", what)
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                shown = raw[:_EXCERPT].decode("utf-8", "backslashreplace").strip()
                store.report(
                    "encoding", path, number, "", f"{shown!r}: {error.reason} at byte "
                    f"{error.start + 1}"
                )  # fmt: skip
                continue
            fields = line.split(maxsplit=1)
            if not fields:
                blank += 1
                first_blank = first_blank or number
                continue
            key, rest = fields[0], fields[1].rstrip() if len(fields) > 1 else ""
            problem = id_problem(key)
            if problem:
                store.report("bad-name", path, number, key, problem)
            name = key.encode()
            if name < previous:
                unsorted += 1
                if unsorted == 1:
                    at = number
            previous = name
            yield number, key, rest
    if endings:
        store.report("line-ends", path, first_ending, "", counted(endings, "line"))
    if blank:
        store.report("blank-line", path, first_blank, "", counted(blank, "line"))
    if unsorted:
        store.report(
            "unsorted", path, at, "", f"{counted(unsorted, 'line')} out of order"
        )


def _check_value(store: Store, path: Path, line: int, key: str, value: str) -> None:
    if not value:
        store.report("no-value", path, line, key, f"there is no value after {key}")
    elif not value.isprintable() and text_problem(value):
        store.report("damaged", path, line, key, str(text_problem(value)))


def _segments(store: Store, number: int, path: Path, lines) -> Iterator[tuple]:
    for line, key, value in lines(path.name):
        fields = value.split()
        recording, start, end = (fields + ["", "", ""])[:3]
        try:
            if len(fields) != 3:
                raise ValueError(segment_fields(len(fields)))
            t0, t1 = seconds(start), seconds(end)
            if not (0 <= t0 < float("inf")) or (t1 != -1 and not t0 < t1 < 1e9):
                raise ValueError("it ends before it starts, or a time is not finite")
        except ValueError as error:
            store.report("bad-segment", path, line, key, f"{value!r}: {error}")
            recording, t0, t1 = "", 0.0, 0.0
        yield number, line, key, recording, t0, t1


def _text(
    store: Store,
    number: int,
    folder: Path,
    lines: Callable,
    facts: TextFacts,
    symbols: Collection[str],
) -> Iterator[tuple]:
    path, first = folder / "text", facts.first
    for line, key, value in lines("text"):
        text = value
        if not (text.isascii() and text.isprintable() and "  " not in text):
            problem = text_problem(text)
            if problem:
                store.report("damaged", path, line, key, problem)
            text = clean_text(value)
            if text != value:
                for what in what_is_cleaned(value):
                    kind = "white-space" if "space" in what else "invisible"
                    store.report(kind, path, line, key, what)
        if not text:
            store.report("no-value", path, line, key, "the transcript is empty")
        elif symbols or _MARKS.search(text):
            found = sorted(set(symbols_in(text)) - set(symbols))
            found = [one for one in found if one[0] not in symbols]
            if found:
                store.report("symbol", path, line, key, " ".join(found))
            # Symbols are not speech, so the counts below leave them out.
            for one in {*symbols, *found}:
                if len(one) > 1:
                    text = text.replace(one, " ")
        if text.startswith(f"{key} "):
            what = "the transcript begins with the name of its utterance"
            store.report("markup", path, line, key, what)
        for kind, what in _suspicions(" ".join(text.split()), symbols):
            store.report(kind, path, line, key, what)
        facts.characters.update(text)
        for character in set(text):
            if character not in first:
                first[character] = key, line
        up, low = text != text.lower(), text != text.upper()
        if up or low:
            facts.mixed += up and low
            facts.upper += up and not low
            facts.lower += low and not up
        words = text.split()
        if len(words) > 2 and any(map(str.isalpha, words)):
            facts.several += 1
            facts.spelt += max(map(len, words)) == 1
        text = " ".join(words)
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        yield number, line, key, text[:_EXCERPT], len(text), len(words), digest


def _suspicions(text: str, symbols: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the kinds and descriptions of what is probably no usual text."""
    for what in markup_in(text, symbols):
        yield "markup", what
    if text.isascii():
        return
    for what in mixed_scripts(text):
        yield "mixed-scripts", what
    for what in wrongly_decoded(text):
        yield "wrong-decoding", what
    for what in compatibility_letters(text):
        yield "compatibility", what


def _speakers(store: Store, number: int, path: Path, lines) -> Iterator[tuple]:
    for line, key, value in lines(path.name):
        _check_value(store, path, line, key, value)
        if len(value.split()) > 1:
            store.report("speaker", path, line, key, f"{value!r} is more than one word")
        problem = id_problem(value)
        if problem:
            store.report("bad-name", path, line, key, problem)
        yield number, line, key, value


def _compare_spk2utt(store: Store, number: int, folder: Path, lines) -> None:
    """Report all places at which spk2utt and utt2spk differ."""

    def pairs() -> Iterator[tuple]:
        for line, speaker, value in lines("spk2utt"):
            yield from ((number, line, utt, speaker) for utt in value.split())

    store.add("s2u", pairs())
    for index, table in (("spk_id", "spk"), ("s2u_id", "s2u")):
        store.db.execute(f"create index if not exists {index} on {table}(s, id)")
    for file, query, say in (
        (
            "spk2utt",
            "select a.line, a.id, a.value, b.value from s2u a left join spk b on"
            " b.s = a.s and b.id = a.id where a.s=? and b.value is not a.value"
            " order by a.line",
            lambda speaker, other: f"{speaker}; utt2spk "
            + ("does not list it" if other is None else f"says {other}"),
        ),
        (
            "spk2utt",
            "select max(line), id, value, min(line) from s2u where s=? group by id"
            " having count(*) > 1 order by 1",
            lambda speaker, first: f"{speaker}; it is on line {first} already",
        ),
        (
            "utt2spk",
            "select line, id, value, 0 from spk a where s=? and not exists (select 1"
            " from s2u b where b.s = a.s and b.id = a.id) order by line",
            lambda speaker, _: f"utt2spk says {speaker}; spk2utt does not list it",
        ),
        (
            "spk2utt",
            "select max(line), value, 0, min(line) from s2u where s=? group by value"
            " having max(line) > min(line) order by 1",
            lambda _, first: f"the speaker is on line {first} already",
        ),
    ):
        for line, name, *rest in store.rows(query, number):
            store.report("speaker", folder / file, line, name, say(*rest))
