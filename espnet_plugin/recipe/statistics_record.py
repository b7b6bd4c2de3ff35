"""The record of the inputs from which stage 3 computed its statistics.

The record is text with one input per line. Earlier versions were shell scripts that
copied the lines of the front end from the YAML file. Existing records have these lines
and not their meaning, so the lines are compared here as well.
"""

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.meaning import meaning_of
from espnet_plugin.files import write_bytes
from espnet_plugin.yaml_files import read_yaml

__all__ = ["StatisticsRecord", "lost_statistics"]

_FRONT_END = r"(frontend|preprocessor)(_conf)?|speech_volume_normalize"
_EARLIER_FRONT_END = r"frontend(_conf)?"


@dataclass(frozen=True)
class StatisticsRecord:
    """The inputs from which statistics are computed.

    Attributes:
        train: ``done.json`` of the training set.
        valid: ``done.json`` of the development set.
        feats_type: ``raw`` or ``fbank``.
        config: Configuration with the front end; None for an imported reference, whose
            own normalisation is used.
    """

    train: Path
    valid: Path
    feats_type: str
    config: Optional[Path]

    def lines(self) -> list[str]:
        """Return the lines of the record."""
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

    def _meant(self) -> list[str]:
        """Return the line that says the front end's values, however they are written.

        Records of earlier versions do not have it.
        """
        try:
            config = read_yaml(self.config, "--reference_config") if self.config else {}
        except UserError:
            return []
        keys = {k: v for k, v in config.items() if re.fullmatch(_FRONT_END, str(k))}
        return [f"values of the front end: {meaning_of(keys)}"] if self.config else []

    def why_made(self, done: Path) -> str:
        """Return why statistics have to be computed; empty if they are up to date.

        Args:
            done: The record that was written after the last computation.
        """
        kept = ""
        if done.is_file():
            kept = _text(done).rstrip("\n")
            if kept == self._earlier() or not self._other_lines(kept.split("\n")):
                return ""
            # The first versions wrote an empty record, and a power cut can leave one;
            # nobody can tell of which inputs the statistics are.
            if not kept:
                return f"{done} is empty"
        if not kept:
            return "there are no statistics yet"
        there = kept.split("\n")
        for line in self._other_lines(there):
            name, _, value = line.partition(": ")
            if name.endswith(" set"):  # The values are checksums.
                return f"a different {name}"
            old = [
                one.partition(": ")[2] for one in there if one.startswith(f"{name}: ")
            ]
            was = "\n".join(old) or "not recorded"
            return f"a different {name} (was {was}, is {value})"
        return "a different reference"

    def _other_lines(self, there: list[str]) -> list[str]:
        """Return the lines that differ from those of a record."""
        other = [line for line in self.lines() if line not in there]
        if any(line in there for line in self._meant()):
            other = [line for line in other if not line.startswith("front end: ")]
        return other

    def write(self, done: Path) -> None:
        """Write the record, after the statistics were computed."""
        lines = [*self.lines(), *self._meant()]
        write_bytes(done, _bytes("\n".join(lines) + "\n"))

    def _earlier(self) -> str:
        """Return the record of the second version, one digest of all inputs."""
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
    """Split text as ``xargs`` does, which removes quotes."""
    parser = shlex.shlex(text, posix=True)
    parser.whitespace_split, parser.whitespace = True, " \t\n"
    parser.commenters, parser.escapedquotes = "", ""
    try:
        return list(parser)
    except ValueError:  # an unmatched quote
        return text.split()


def _text(file: Path) -> str:
    """Return the text of a file, with carriage returns and bytes that are not UTF-8."""
    return file.read_bytes().decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
