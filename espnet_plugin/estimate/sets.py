"""Find the amount of audio in a set from files that exist before or after stage 2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

import soundfile

from espnet_plugin.errors import UserError

__all__ = ["SetSize", "find_size", "read_lengths"]

# Number of headers that are read if nothing else has the lengths of the files.
_HEADERS = 200


@dataclass(frozen=True)
class SetSize:
    """Amount of audio in a set.

    Attributes:
        hours: Hours of audio.
        utterances: Number of utterances.
        source: File with this information.
    """

    hours: float
    utterances: int
    source: str


def find_size(formatted: Path, data: Path, sample_rate: int) -> Optional[SetSize]:
    """Return the size of a set; None if it is not known.

    Args:
        formatted: Its folder in ``dump/``, written by stage 2.
        data: Its Kaldi folder. Without ``segments`` and ``utt2dur``, the headers of up
            to 200 files are read, and their mean duration is assumed for all.
        sample_rate: Sampling rate of the formatted set in Hz.
    """
    lengths, segments = formatted / "utt2num_samples", data / "segments"
    durations, scp = data / "utt2dur", data / "wav.scp"
    try:
        if lengths.is_file():
            seconds = [int(words[1]) / sample_rate for words in _lines(lengths)]
            return _size(seconds, lengths)
        if segments.is_file():
            seconds = [float(words[3]) - float(words[2]) for words in _lines(segments)]
            return _size(seconds, segments)
        if durations.is_file():
            seconds = [float(words[1]) for words in _lines(durations)]
            return _size(seconds, durations)
        return _from_headers(scp) if scp.is_file() else None
    except (ValueError, IndexError, OSError, soundfile.SoundFileError):
        return None  # stage 2 reports what is wrong


def read_lengths(table: Path, sample_rate: int) -> SetSize:
    """Return the size of a set from its table of lengths.

    Args:
        table: Lines with an utterance and its number of samples.
        sample_rate: Sampling rate in Hz.

    Raises:
        UserError: If the table is missing or empty, or a line has no positive number.
    """
    if not table.is_file():
        raise UserError(f"--lengths {table} is missing: name an existing file")
    seconds = []
    for number, words in enumerate(_lines(table), 1):
        samples = words[1] if len(words) == 2 else ""
        if not samples.isascii() or not samples.isdigit() or not int(samples):
            raise UserError(
                f"--lengths {table}: line {number}, {' '.join(words)[:60]!r}: must be "
                "an utterance and its number of samples, 1 or more"
            )
        seconds.append(int(samples) / sample_rate)
    if not seconds:
        raise UserError(f"--lengths {table} is empty: name the table of a set")
    return SetSize(sum(seconds) / 3600, len(seconds), str(table))


def _lines(table: Path) -> Iterator[list[str]]:
    with open(table, encoding="utf-8") as stream:
        yield from (line.split() for line in stream if line.strip())


def _size(seconds: list[float], source: Path) -> Optional[SetSize]:
    if not seconds or min(seconds) <= 0:  # as for other wrong values, see above
        return None
    return SetSize(sum(seconds) / 3600, len(seconds), str(source))


def _from_headers(scp: Path) -> Optional[SetSize]:
    with open(scp, encoding="utf-8") as stream:
        files = [line.split(maxsplit=1)[1].strip() for line in stream if line.strip()]
    some = files[:: -(-len(files) // _HEADERS)] if files else []
    seconds = [soundfile.info(file).duration for file in some]
    if not seconds:
        return None
    hours = sum(seconds) / len(seconds) * len(files) / 3600
    source = f"headers of {len(some)} of the {len(files)} files in {scp}"
    return SetSize(hours, len(files), source)
