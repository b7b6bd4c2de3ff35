"""Short digests of the content of data: folders with equal digests are the same.

All bytes of every file are used, so that replacing a WAV file by another one of equal
length is noticed. A file is read once: its digest is kept beside its size, inode and
times (of modification and of the inode's change, which no tool can set back), and it is
read again where one of them differs.
"""

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterable, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.meaning import with_meaning
from espnet_plugin.files import read_pairs, write_lines

__all__ = ["CACHE", "Contents", "file_state", "names_file", "names_lost_files"]

# Name of the file with the digests of a folder.
CACHE = ".digests"

# 80 bits are enough to notice files that were replaced by mistake.
_BYTES = 10
# Types of ESPnet's tables whose values are not files.
_TEXT_TYPES = ("text", "text_int", "text_float", "csv_int", "csv_float")
_AUDIO_TYPES = ("sound", "kaldi_ark", "npy")
# Kaldi's suffix to the name of an archive: an offset and a range of rows.
_POSITION = re.compile(r":\d+(\[[^\]]*\])?$")
# Several threads, because reading many small files mostly waits for the disk.
_THREADS = 4


def _digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=_BYTES)


class Contents:
    """Digests of files and of Kaldi tables, each file read once.

    Args:
        cache: File that keeps the digests between runs; None: they are not kept. If it
            cannot be read or written, files are read again.
    """

    def __init__(self, cache: Optional[Path] = None):
        self._cache = cache
        self._known: dict[str, tuple[str, str]] = {}
        self._changed = False
        self._read: set[Path] = set()
        self._meant: dict[Union[str, Path], tuple[str, str]] = {}
        if cache is not None:
            self._load(cache)

    def file(self, path: Union[str, Path]) -> str:
        """Return the digest of a file.

        Raises:
            UserError: If it cannot be read.
        """
        return self._file(os.path.abspath(path))

    def text_file(self, path: Union[str, Path]) -> str:
        """Return the digest of a file with that of its meaning, if it is text.

        Raises:
            UserError: If it cannot be read.
        """
        digest = self.file(path)
        if path not in self._meant or self._meant[path][0] != digest:
            self._meant[path] = digest, with_meaning(digest, path)
        return self._meant[path][1]

    def table(
        self,
        path: Union[str, Path],
        kind: str = "sound",
        keys: Optional[Sequence[str]] = None,
    ) -> str:
        """Summarise the content of a Kaldi table; the paths of its files do not count.

        Args:
            path: ``wav.scp``, ``text`` and the like.
            kind: ESPnet's type of the table. For text the digest is made from the
                words, for other types from the files that the table names. For a
                command (``sox ... |``) it is made from the command's words.
            keys: The utterances to use, in this order; if not given, all of the table,
                in any order.

        Returns:
            ``24 utterances, 0123456789abcdef0123 (sound)``.

        Raises:
            UserError: If the table or a file of it cannot be read.
        """
        digests = self.utterances(path, kind)
        names = sorted(digests) if keys is None else keys
        whole = _digest()
        for name in names:
            whole.update(f"{name}\t{digests[name]}\n".encode())
        return f"{len(names)} utterances, {whole.hexdigest()} ({kind})"

    def utterances(self, path: Union[str, Path], kind: str = "sound") -> dict[str, str]:
        """Return a value that represents the content of each utterance of a table.

        Raises:
            UserError: If the table or a file of it cannot be read.
        """
        table = read_pairs(path)
        if kind in _TEXT_TYPES:
            return table
        # Stage 2 has read the same files, and keeps their digests beside its table.
        self._load(Path(path).parent / CACHE)
        split = {name: _split(value) for name, value in table.items()}
        if kind in _AUDIO_TYPES:
            _refuse_lost(path, table)
        files = {file for file, _ in split.values() if file is not None}
        digests = self._files(files)
        return {
            name: rest if file is None else f"{digests[file]}{rest}"
            for name, (file, rest) in split.items()
        }

    def save(self) -> None:
        """Save the digests for the next run."""
        if self._cache is None or not self._changed:
            return
        try:
            write_lines(
                self._cache,
                (
                    f"{digest} {state} {path}"
                    for path, (digest, state) in self._sorted()
                ),
            )
        except UserError:
            pass  # a read-only folder: files are read again next time
        self._changed = False

    def _load(self, cache: Path) -> None:
        if cache in self._read:
            return
        self._read.add(cache)
        try:
            lines = cache.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            fields = line.split(" ", 2)
            if len(fields) == 3:
                digest, state, path = fields
                self._known.setdefault(path, (digest, state))

    def _sorted(self) -> list[tuple[str, tuple[str, str]]]:
        return sorted(item for item in self._known.items() if "\n" not in item[0])

    def _files(self, paths: Iterable[str]) -> dict[str, str]:
        paths = sorted(paths)
        absolute = [os.path.abspath(path) for path in paths]
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(paths, pool.map(self._file, absolute)))

    def _file(self, path: str) -> str:
        try:
            state = file_state(path)
            digest, known = self._known.get(path, ("", ""))
            if known == state:
                return digest
            with open(path, "rb") as stream:
                digest = hashlib.file_digest(stream, _digest).hexdigest()
        except OSError as error:
            raise UserError(
                f"{path} cannot be read: {error.strerror or error}; repair it, or run "
                "the stage that writes it"
            ) from error
        self._known[path] = digest, state
        self._changed = True
        return digest


def names_lost_files(path: Union[str, Path]) -> bool:
    """Return whether a Kaldi table names a file that does not exist."""
    return not all(map(names_file, read_pairs(path).values()))


def _refuse_lost(path: Union[str, Path], table: dict[str, str]) -> None:
    lost = [name for name, value in table.items() if not names_file(value)]
    if lost:
        raise UserError(
            f"{path} names {len(lost)} file(s) that are missing, e.g. {lost[0]}: "
            f"{table[lost[0]][:300]}: bring them back, or run stage 2 again (without "
            "them, it is unknown whether results are of the same data)"
        )


def names_file(value: str) -> bool:
    """Return whether a value of a Kaldi table is a command or an existing file."""
    return value.rstrip().endswith("|") or _split(value)[0] is not None


def file_state(path: Union[str, bytes]) -> str:
    """Return a string that changes whenever a file's content does, without reading it.

    It holds the size, inode and times. The time of the inode's change cannot be set
    back, so a file that was replaced in place, with its old modification time, has
    another state.

    Raises:
        OSError: If there is no such file.
        ValueError: If the path has a NUL.
    """
    one = os.stat(path)
    return f"{one.st_size},{one.st_ino},{one.st_mtime_ns},{one.st_ctime_ns}"


def _split(value: str) -> tuple[Optional[str], str]:
    """Return the file that a table's value names (or None), and the rest of it."""
    if value.rstrip().endswith("|"):
        return None, value
    if os.path.isfile(value):
        return value, ""
    file = _POSITION.sub("", value)
    if file != value and os.path.isfile(file):
        return file, value[len(file) :]
    return None, value
