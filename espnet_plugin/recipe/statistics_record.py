"""What the statistics of stage 3 were made of, noted beside them.

The record is text, an input a line. Earlier versions were shell scripts that took the
front end's lines out of the YAML file as they stood there; these lines, not their
meaning, are in the records that exist, so the same is done here.
"""

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.files import write_bytes

__all__ = ["StatisticsRecord", "lost_statistics"]

_FRONT_END = r"(frontend|preprocessor)(_conf)?|speech_volume_normalize"
_EARLIER_FRONT_END = r"frontend(_conf)?"


@dataclass(frozen=True)
class StatisticsRecord:
    """The inputs of statistics.

    Attributes:
        train: ``done.json`` of the training set.
        valid: ``done.json`` of the development set.
        feats_type: ``raw`` or ``fbank``.
        config: The configuration with the front end; None: that of an imported
            reference, whose own normalisation is used.
    """

    train: Path
    valid: Path
    feats_type: str
    config: Optional[Path]

    def lines(self) -> list[str]:
        """Return the record."""
        imported = "" if self.config else "of an imported reference"
        lines = [
            f"training set: {_sha256(self.train.read_bytes())}",
            f"development set: {_sha256(self.valid.read_bytes())}",
            f"features: {self.feats_type} {imported}",
        ]
        if self.config:
            words = _words("\n".join(_front_end(self.config, _FRONT_END)))
            lines.append(f"front end: {' '.join(words)}")
        return lines

    def why_made(self, done: Path) -> str:
        """Return why statistics have to be made; nothing if they are finished.

        Args:
            done: The record that was written when they were.
        """
        kept = ""
        if done.is_file():
            kept = _text(done).rstrip("\n")
            if kept == "\n".join(self.lines()) or kept == self._earlier():
                return ""
            # The first versions wrote nothing down.
            if not kept and done.stat().st_mtime_ns > self.train.stat().st_mtime_ns:
                return ""
        if not kept:
            return "there are no statistics yet"
        there = kept.split("\n")
        for line in self.lines():
            if line in there:
                continue
            name, _, value = line.partition(": ")
            old = [
                one.partition(": ")[2] for one in there if one.startswith(f"{name}: ")
            ]
            was = "\n".join(old) or "not noted"
            return f"a different {name} (was {was}, is {value})"
        return "a different reference"

    def write(self, done: Path) -> None:
        """Note that the statistics are finished."""
        write_bytes(done, _bytes("\n".join(self.lines()) + "\n"))

    def _earlier(self) -> str:
        """Return the record of the second version, one digest of all."""
        imported = "" if self.config else "imported"
        content = self.train.read_bytes() + self.valid.read_bytes()
        content += f"{self.feats_type} {imported}\n".encode()
        if self.config:
            lines = _front_end(self.config, _EARLIER_FRONT_END)
            content += _bytes("".join(f"{line}\n" for line in lines))
        return _sha256(content)


def lost_statistics(folder: Path, own: bool) -> str:
    """Say which file of finished statistics is missing or empty; nothing if none is.

    Args:
        folder: Theirs.
        own: They were computed; otherwise they are those of an imported reference, and
            only lengths are there.
    """
    names = ["train/speech_shape", "valid/speech_shape"]
    for name in [*names, "train/feats_stats.npz"] if own else names:
        path = folder / name
        if not path.is_file() or not path.stat().st_size:
            return f"{path} is missing or empty"
    return ""


def _front_end(config: Path, keys: str) -> list[str]:
    """Return the lines of some keys, without comments and empty lines."""
    lines, kept = [], False
    for line in _text(config).split("\n"):
        if line and line[0] not in " #":
            kept = re.match(f"({keys}):", line) is not None
        line = re.sub(r" *#.*", "", line, count=1)
        if kept and line.strip(" \t"):
            lines.append(line)
    return lines


def _words(text: str) -> list[str]:
    """Split text as ``xargs`` does: quotes are taken away."""
    parser = shlex.shlex(text, posix=True)
    parser.whitespace_split, parser.whitespace = True, " \t\n"
    parser.commenters, parser.escapedquotes = "", ""
    try:
        return list(parser)
    except ValueError:  # a quote without its other half
        return text.split()


def _text(file: Path) -> str:
    """Return a file's text, carriage returns and foreign bytes included."""
    return file.read_bytes().decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
