"""Read and check Kaldi data folders: wav.scp, segments, text and utt2spk."""

import hashlib
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs, write_lines
from espnet_plugin.text import count_cleaned, id_problem, text_problem

__all__ = [
    "DataDir",
    "audio_alone",
    "Segment",
    "complain",
    "file_name",
    "join_sets",
    "read_data_dir",
    "read_segments",
    "seconds",
    "segment_fields",
    "speech_input",
    "write_data_dir",
]

# Longest file name in bytes, without what is put before and after it.
_NAME_BYTES = 200
_SECONDS = re.compile(
    r"[+-]?([0-9]{1,9}\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", re.ASCII
)


@dataclass(frozen=True)
class Segment:
    """The place of an utterance in a longer recording.

    Attributes:
        recording: Name of the recording.
        start: Start in seconds.
        end: End in seconds; -1 for the end of the file.
    """

    recording: str
    start: float
    end: float


@dataclass
class DataDir:
    """One set of a corpus: tables by utterance name, in one order.

    Attributes:
        audio: Audio file; that of the whole recording if the utterance is a segment.
        text: Transcript; the table is empty for audio without transcripts.
        utt2spk: Speaker.
        segments: Segment; the table is empty if every utterance is a whole file.
    """

    audio: dict[str, str]
    text: dict[str, str]
    utt2spk: dict[str, str]
    segments: dict[str, Segment] = field(default_factory=dict)


def complain(
    where: str,
    problems: dict[str, str],
    way_out: str,
    listed_in: Optional[Path] = None,
) -> UserError:
    """Return an error that counts ``problems`` (by utterance) and shows the first.

    All problems are written to ``listed_in`` if it is given.
    """
    shown = "\n".join(f"  {utt}: {what}" for utt, what in list(problems.items())[:5])
    more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
    if listed_in is not None:
        write_lines(listed_in, (f"{utt} {what}" for utt, what in problems.items()))
        more += f"\n  (all of them: {listed_in})"
    return UserError(
        f"{where}: {len(problems)} bad utterance(s)\n{shown}{more}\n{way_out}"
    )


def audio_alone(name: str) -> str:
    """Return a sentence on what can be done with a set that has no transcripts."""
    return (
        "training and test sets need transcripts. Audio without transcripts can only "
        f"be used in stage 5: --unlabelled_sets {name}, together with a --train_set "
        "that has transcripts (with a --reference, a small one is enough)"
    )


def read_data_dir(
    folder: Union[str, Path], labelled: bool = True, quiet: bool = False
) -> DataDir:
    """Read and cross-check a data folder.

    Transcripts are normalised by :func:`espnet_plugin.text.clean_text`; changes are
    logged.

    Args:
        folder: Kaldi folder with ``wav.scp``, ``text`` and ``utt2spk``.
        labelled: Whether the set has transcripts. If not, ``text`` is not read, and
            every utterance is a speaker of its own if ``utt2spk`` is missing.
        quiet: Whether the changes are not logged, because the folder is read again.

    Raises:
        UserError: If the folder or a table is missing or empty, a transcript is empty
            or damaged, a segment is invalid, a name has invisible characters, or the
            tables name different utterances.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is missing: run stage 1 (data preparation) first")
    audio = read_pairs(folder / "wav.scp")
    if labelled and not (folder / "text").exists():
        raise UserError(f"{folder}/text is missing: {audio_alone(folder.name)}")
    text = read_pairs(folder / "text") if labelled else {}
    if labelled or (folder / "utt2spk").is_file():
        utt2spk = read_pairs(folder / "utt2spk")
    else:
        utt2spk = {utt: utt for utt in audio}
    data = DataDir(audio, text, utt2spk)
    if not data.audio:
        raise UserError(f"{folder}/wav.scp is empty: the corpus has no utterances")
    problems = {}
    for utt, words in text.items():
        problem = text_problem(words)
        if problem is not None:
            problems[utt] = problem
    data.text = text = _cleaned(folder, text, quiet)
    if (folder / "segments").is_file():
        files, data.audio = data.audio, {}
        lines = read_pairs(folder / "segments")
        if not lines:
            raise UserError(
                f"{folder}/segments is empty: complete it, or delete it if every "
                "recording is one utterance"
            )
        for utt, line in lines.items():
            try:
                segment = _read_segment(line)
                data.audio[utt] = files[segment.recording]
                data.segments[utt] = segment
            except (ValueError, KeyError) as error:
                data.audio[utt] = "?"
                problems[utt] = f"has {line!r} in segments: {_why(error)}"
    for utt in {**data.audio, **data.text, **data.utt2spk}:
        problem = id_problem(utt) or id_problem(data.utt2spk.get(utt, ""))
        if problem is not None:
            problems[utt] = problem
        for name, table in _tables(data, labelled):
            if utt not in table:
                problems[utt] = f"is not in {name}"
            elif not table[utt].strip():
                problems[utt] = f"has no value in {name}"
    if problems:
        raise complain(
            str(folder), problems, "Correct the tables, then run the command again."
        )
    return data


def read_segments(folder: Path) -> dict[str, Segment]:
    """Read the places of utterances in longer recordings.

    Args:
        folder: Kaldi folder.

    Returns:
        The segments; none if the folder has no ``segments``.

    Raises:
        UserError: If a line is invalid.
    """
    path = folder / "segments"
    if not path.is_file():
        return {}
    found = {}
    for name, line in read_pairs(path).items():
        try:
            found[name] = _read_segment(line)
        except ValueError as error:
            raise UserError(f"{path}: {name} has {line!r}: {error}") from error
    return found


def _cleaned(folder: Path, text: dict[str, str], quiet: bool) -> dict[str, str]:
    def say(what: str, number: int, first: str) -> None:
        if quiet:
            return
        logging.warning(
            "%s/text: %s in %d transcript(s), e.g. %s: white space is read as single "
            "spaces, invisible characters are left out, and decomposed characters "
            "are composed (NFC)",
            folder,
            what,
            number,
            first,
        )

    return count_cleaned(text, say)


def file_name(utt: str) -> str:
    """Return a file name for an utterance that no other utterance has.

    A slash would lead out of the folder, and Linux allows at most 255 bytes.
    """
    name = re.sub(r"[/%\0]", lambda match: f"%{ord(match[0]):02X}", utt)
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(utt.encode()).hexdigest()[:32]
    return name.encode()[: _NAME_BYTES - 33].decode(errors="ignore") + "%" + digest


def _tables(data: DataDir, labelled: bool) -> list[tuple[str, dict[str, str]]]:
    tables = [("wav.scp", data.audio), ("utt2spk", data.utt2spk)]
    if labelled:
        tables.insert(1, ("text", data.text))
    return tables


def join_sets(parts: Sequence[Path], target: Path, tables: Sequence[str]) -> None:
    """Join the tables of several formatted sets into those of one set.

    Args:
        parts: Folders with these tables.
        target: The folder to write.
        tables: Their names, e.g. ``wav.scp`` and ``utt2num_samples``.

    Raises:
        UserError: If two sets have an utterance of the same name.
    """
    for name in tables:
        joined: dict[str, str] = {}
        for part in parts:
            table = read_pairs(part / name)
            twice = sorted(joined.keys() & table.keys())
            if twice:
                raise UserError(
                    f"{part}/{name}: {twice[0]} and {len(twice) - 1} more are also in "
                    "another set: give these utterances different names"
                )
            joined.update(table)
        write_lines(target / name, (f"{utt} {joined[utt]}" for utt in sorted(joined)))


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"the recording {error} is not in wav.scp"
    return str(error)


def _read_segment(line: str) -> Segment:
    fields = line.split()
    if len(fields) != 3:
        raise ValueError(segment_fields(len(fields)))
    segment = Segment(fields[0], seconds(fields[1]), seconds(fields[2]))
    if segment.start < 0 or (segment.end <= segment.start and segment.end != -1):
        raise ValueError("it ends before it starts")
    return segment


def write_data_dir(folder: Union[str, Path], data: DataDir) -> None:
    """Write the tables and ``spk2utt``, sorted by utterance as Kaldi requires."""
    folder = Path(folder)
    audio = data.audio
    if data.segments:
        audio = {data.segments[utt].recording: path for utt, path in audio.items()}
        write_lines(
            folder / "segments",
            (
                f"{utt} {s.recording} {_seconds(s.start)} {_seconds(s.end)}"
                for utt, s in sorted(data.segments.items())
            ),
        )
    else:
        # Segments of an earlier preparation would cut the files of this one.
        (folder / "segments").unlink(missing_ok=True)
    others = _tables(data, labelled=bool(data.text))[1:]
    for name, table in [("wav.scp", audio), *others]:
        write_lines(folder / name, (f"{utt} {table[utt]}" for utt in sorted(table)))
    speakers: dict[str, list[str]] = {}
    for utt in sorted(data.utt2spk):
        speakers.setdefault(data.utt2spk[utt], []).append(utt)
    write_lines(
        folder / "spk2utt", (f"{s} {' '.join(speakers[s])}" for s in sorted(speakers))
    )


def seconds(text: str) -> float:
    """Read a time in a table of segments.

    Raises:
        ValueError: If it is not a plain number (Python itself would also accept 0_1).
    """
    if not _SECONDS.fullmatch(text):
        raise ValueError(f"{text!r} is not a number of seconds, e.g. 12.34")
    return float(text)


def segment_fields(count: int) -> str:
    """Return what is wrong with a segment of ``count`` values; 3 would be right."""
    hint = "; a channel, which Kaldi allows, is not read here" if count == 4 else ""
    return f"a segment needs a recording, a start and an end{hint}"


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def speech_input(folder: Union[str, Path]) -> tuple[str, str]:
    """Return the table of a dump that lists the inputs, and its type for ESPnet.

    Stage 2 of this plugin and stages 3 and 4 of ``asr.sh`` say it in ``feats_type`` and
    ``audio_format``: ``raw`` audio is ``kaldi_ark`` where the format has "ark" in it,
    ``fbank`` are this plugin's ``.npy`` files, other features are Kaldi's.

    Raises:
        UserError: If the folder is not a dump.
    """
    folder = Path(folder)
    texts = {}
    for name in ("feats_type", "audio_format"):
        path = folder / name
        try:
            texts[name] = path.read_text("utf-8").strip() if path.is_file() else ""
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path} is damaged ({error}): run the stage that writes it again"
            ) from error
    if not texts["feats_type"]:
        raise UserError(
            f"{folder}/feats_type is missing: run stage 2 for the set {folder.name!r}"
        )
    if texts["feats_type"] == "raw":
        return "wav.scp", "kaldi_ark" if "ark" in texts["audio_format"] else "sound"
    own = texts["feats_type"] == "fbank" or texts["audio_format"] == "npy"
    return "feats.scp", "npy" if own else "kaldi_ark"
