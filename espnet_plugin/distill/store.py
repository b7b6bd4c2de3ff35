"""A folder of model outputs by utterance, written once and read by training.

``index.tsv`` has a line for each utterance: name, frames, number of the first frame and
a checksum. The outputs themselves lie one after the other in ``posteriors.bin`` (half
precision), ``tokens.bin`` (if not the whole vocabulary is kept), ``pooled.bin`` and, if
asked for, ``encodings.bin`` (the encoding of every frame, in half precision).
A line of the index is written after its data, so an interrupted writing goes on after
the last whole utterance.
"""

import hashlib
import json
import logging
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.files import read_json, write_json

__all__ = [
    "ENCODING_DTYPE",
    "POSTERIOR_DTYPE",
    "OutputStore",
    "StoreWriter",
    "StoredOutputs",
    "expand_top",
]

_META, _DONE, _INDEX = "meta.json", "done.json", "index.tsv"
_POSTERIORS, _TOKENS, _POOLED = "posteriors.bin", "tokens.bin", "pooled.bin"
_ENCODINGS = "encodings.bin"
POSTERIOR_DTYPE, _TOKEN, _FLOAT = np.dtype("<f2"), np.dtype("<i4"), np.dtype("<f4")
ENCODING_DTYPE = np.dtype("<f2")


class StoredOutputs(NamedTuple):
    """The outputs of a batch, as they are read.

    Attributes:
        log_posteriors: ``(batch, frames, vocabulary)`` with zeros on the padding.
        pooled: Mean encodings, ``(batch, width)``.
        lengths: Valid frames, ``(batch,)``.
        encodings: ``(batch, frames, width)`` with zeros on the padding; None where only
            their mean is stored.
    """

    log_posteriors: torch.Tensor
    pooled: torch.Tensor
    lengths: torch.Tensor
    encodings: Optional[torch.Tensor]


@dataclass(frozen=True)
class _Entry:
    frames: int
    start: int
    row: int
    checksum: int


class StoreWriter:
    """Writes a store, or goes on with an interrupted one.

    Args:
        folder: Folder of the store; made if it is not there.
        made_of: What the outputs depend on, by name; see :class:`OutputStore`.
        vocabulary: Number of tokens.
        width: Width of the encoding.
        top: Number of most probable tokens kept of a frame; 0: all.
        encodings: Whether the encoding of every frame is kept, not only their mean. A
            store that was begun with them goes on with them.

    Attributes:
        folder: Folder of the store.
        entries: What is written, by utterance.
        keeps_encodings: Whether :meth:`add` needs the encoding of every frame.

    Raises:
        UserError: If the folder holds another store.
    """

    def __init__(
        self,
        folder: Path,
        made_of: Mapping[str, Any],
        vocabulary: int,
        width: int,
        top: int = 0,
        encodings: bool = False,
    ):
        if top < 0 or top > vocabulary:
            raise UserError(f"top {top}: must be 0 (all) to {vocabulary} tokens")
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._top = top
        self._kept = top or vocabulary
        self._width = width
        meta = {
            "made_of": dict(made_of),
            "vocabulary": vocabulary,
            "width": width,
            "top": top,
        }
        path = self.folder / _META
        begun = read_json(path) if path.is_file() else {}
        self.keeps_encodings = encodings or begun.get("encodings", False)
        # Stores without them look as they did in earlier versions.
        if self.keeps_encodings:
            meta["encodings"] = True
        if begun:
            _check_made_of(self.folder, begun, meta)
        else:
            write_json(path, meta)
        self.entries = _read_index(self.folder)
        self._frames = sum(entry.frames for entry in self.entries.values())
        self._streams = {}
        for name, size in self._sizes().items():
            stream = open(self.folder / name, "ab")
            # What was written of an utterance that is not in the index.
            stream.truncate(size)
            stream.seek(0, os.SEEK_END)
            self._streams[name] = stream
        self._index = open(self.folder / _INDEX, "a", encoding="utf-8")

    def add(
        self,
        name: str,
        log_posteriors: torch.Tensor,
        pooled: torch.Tensor,
        encoding: Optional[torch.Tensor] = None,
    ) -> None:
        """Write one utterance.

        Args:
            name: Name of the utterance.
            log_posteriors: ``(frames, vocabulary)``.
            pooled: ``(width,)``.
            encoding: ``(frames, width)``; needed and looked at only by a store of
                single frames.

        Raises:
            UserError: If the disk is full, or a value is not finite (of an encoding:
                in half precision).
        """
        if not (torch.isfinite(pooled).all() and torch.isfinite(log_posteriors).all()):
            raise UserError(f"the reference's outputs for {name} are not finite")
        parts = {}
        if self.keeps_encodings:
            with np.errstate(over="ignore"):  # refused in the next line
                stored = encoding.float().cpu().numpy().astype(ENCODING_DTYPE)
            if not np.isfinite(stored).all():
                raise UserError(
                    f"the reference's encodings of {name} are beyond half precision "
                    f"({ENCODING_DTYPE}, at most 65504), so they cannot be stored: "
                    "train without --teacher_cache"
                )
            parts[_ENCODINGS] = stored.tobytes()
        values = log_posteriors.float()
        if self._top:
            values, tokens = values.topk(self._top, dim=-1)
            parts[_TOKENS] = tokens.cpu().numpy().astype(_TOKEN).tobytes()
        # Half precision ends at 65504; a log-posterior of -1000 is as good as any.
        parts[_POSTERIORS] = (
            values.clamp(min=-1e3).cpu().numpy().astype(POSTERIOR_DTYPE).tobytes()
        )
        parts[_POOLED] = pooled.float().cpu().numpy().astype(_FLOAT).tobytes()
        checksum = 0
        try:
            for part in sorted(parts):
                self._streams[part].write(parts[part])
                self._streams[part].flush()
                checksum = zlib.crc32(parts[part], checksum)
            frames = len(log_posteriors)
            self._index.write(f"{name}\t{frames}\t{self._frames}\t{checksum}\n")
            self._index.flush()
        except OSError as error:
            raise UserError(
                f"cannot write {self.folder}: {error.strerror or error}. Free some "
                "space and run again: what is written stays"
            ) from error
        entry = _Entry(frames, self._frames, len(self.entries), checksum)
        self.entries[name] = entry
        self._frames += frames

    def finish(self, **figures: Any) -> None:
        """Mark the store as whole.

        Args:
            figures: More to remember, e.g. what it cost.
        """
        for stream in (*self._streams.values(), self._index):
            stream.close()
        write_json(
            self.folder / _DONE,
            {"utterances": len(self.entries), "files": self._sizes(), **figures},
        )

    def _sizes(self) -> dict[str, int]:
        sizes = {
            _POSTERIORS: self._frames * self._kept * POSTERIOR_DTYPE.itemsize,
            _POOLED: len(self.entries) * self._width * _FLOAT.itemsize,
        }
        if self._top:
            sizes[_TOKENS] = self._frames * self._kept * _TOKEN.itemsize
        if self.keeps_encodings:
            sizes[_ENCODINGS] = self._frames * self._width * ENCODING_DTYPE.itemsize
        return sizes


class OutputStore:
    """Reads a finished store; its files are mapped into memory.

    Args:
        folder: Folder of a finished store.
        made_of: What the outputs must have been computed from, by name.

    Raises:
        UserError: If the store is unfinished, was made of something else, or a file
            has another size than it was written with.

    Attributes:
        folder: Its folder.
        figures: What ``done.json`` says: utterances, sizes of files, and what it cost.
        digest: Tells stores of other outputs apart.
        vocabulary: Number of tokens.
        width: Width of the encoding.
        has_encodings: Whether the encoding of every frame is stored, not only the mean.
    """

    def __init__(self, folder: Path, made_of: Optional[Mapping[str, Any]] = None):
        self.folder = Path(folder)
        done = read_json(self.folder / _DONE)
        meta = read_json(self.folder / _META)
        if made_of is not None:
            _check_made_of(self.folder, meta, {**meta, "made_of": dict(made_of)})
        for name, size in done["files"].items():
            path = self.folder / name
            actual = path.stat().st_size if path.is_file() else None
            if actual != size:
                raise UserError(
                    f"{path} is damaged: {actual} bytes, not {size}; delete "
                    f"{self.folder} and run again"
                )
        self.figures = done
        self.digest = hashlib.sha256(
            json.dumps(meta, sort_keys=True).encode()
        ).hexdigest()
        self.vocabulary, self.width = meta["vocabulary"], meta["width"]
        self._top = meta["top"]
        self.has_encodings = meta.get("encodings", False)
        self._entries = _read_index(self.folder)
        kept = self._top or self.vocabulary
        self._posteriors = _map(self.folder / _POSTERIORS, POSTERIOR_DTYPE, kept)
        self._pooled = _map(self.folder / _POOLED, _FLOAT, self.width)
        self._tokens = _map(self.folder / _TOKENS, _TOKEN, kept) if self._top else None
        self._encodings = None
        if self.has_encodings:
            path = self.folder / _ENCODINGS
            self._encodings = _map(path, ENCODING_DTYPE, self.width)

    @staticmethod
    def noted(folder: Path) -> dict[str, Any]:
        """Return what a store is made of by its own word; nothing without a store."""
        path = Path(folder) / _META
        return dict(read_json(path)["made_of"]) if path.is_file() else {}

    @property
    def names(self) -> list[str]:
        """The utterances in it, in the order in which they were written."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, names: Sequence[str]) -> StoredOutputs:
        """Return the outputs of a batch.

        Args:
            names: Names of the utterances.

        Raises:
            UserError: If an utterance is missing or its data damaged.
        """
        rows = [self._read_one(name) for name in names]
        lengths = torch.tensor([len(row.log_posteriors) for row in rows])
        encodings = None
        if self.has_encodings:
            encodings = pad_sequence([row.encodings for row in rows], batch_first=True)
        return StoredOutputs(
            pad_sequence([row.log_posteriors for row in rows], batch_first=True),
            torch.stack([row.pooled for row in rows]),
            lengths,
            encodings,
        )

    def _read_one(self, name: str) -> StoredOutputs:
        """Return the outputs of an utterance, without the dimension of the batch."""
        entry = self._entries.get(name)
        if entry is None:
            raise UserError(
                f"{self.folder} does not hold {name}: delete it and run again"
            )
        frames = slice(entry.start, entry.start + entry.frames)
        posteriors, pooled = self._posteriors[frames], self._pooled[entry.row]
        tokens = None if self._tokens is None else self._tokens[frames]
        encodings = None if self._encodings is None else self._encodings[frames]
        checksum = 0
        # In the order in which they are written, that of the files' names.
        for part in (encodings, pooled, posteriors, tokens):
            if part is not None:
                checksum = zlib.crc32(part.tobytes(), checksum)
        if checksum != entry.checksum:
            raise UserError(
                f"{self.folder}: the data of {name} is damaged; delete the folder and "
                "run again"
            )
        values = torch.from_numpy(posteriors.astype(np.float32))
        if tokens is not None:
            index = torch.from_numpy(tokens.astype(np.int64))
            values = expand_top(values, index, self.vocabulary)
        return StoredOutputs(
            values,
            torch.from_numpy(np.array(pooled)),
            torch.tensor(entry.frames),
            (
                None
                if encodings is None
                else torch.from_numpy(encodings.astype(np.float32))
            ),
        )


def expand_top(
    values: torch.Tensor, tokens: torch.Tensor, vocabulary: int
) -> torch.Tensor:
    """Return whole log-posteriors; what is left over is shared by the other tokens.

    Args:
        values: Log-posteriors of the most probable tokens, ``(frames, top)``.
        tokens: Numbers of those tokens, ``(frames, top)``.
        vocabulary: Number of all tokens.

    Returns:
        ``(frames, vocabulary)``.
    """
    others = vocabulary - values.shape[1]
    if others == 0:
        return torch.empty(len(values), vocabulary).scatter_(1, tokens, values)
    # Rounding may leave nothing or less.
    left = (1.0 - values.exp().sum(-1, keepdim=True)).clamp(min=1e-6)
    whole = (left / others).log().expand(-1, vocabulary).clone()
    return whole.scatter_(1, tokens, values)


def _map(path: Path, kind: np.dtype, width: int) -> np.ndarray:
    if path.stat().st_size == 0:
        return np.zeros((0, width), dtype=kind)
    return np.memmap(path, dtype=kind, mode="r").reshape(-1, width)


def _read_index(folder: Path) -> dict[str, _Entry]:
    path = folder / _INDEX
    if not path.is_file():
        return {}
    entries: dict[str, _Entry] = {}
    content = path.read_text(encoding="utf-8")
    whole, _, rest = content.rpartition("\n")
    if rest:  # a line cut off by a kill
        logging.info("%s: leaving out its unfinished last line", path)
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    for line in filter(None, whole.split("\n")):
        name, frames, start, checksum = line.split("\t")
        entries[name] = _Entry(int(frames), int(start), len(entries), int(checksum))
    return entries


# What a store holds of encodings, in the words of a refusal.
_CONTENT = {False: "mean encodings", True: "encodings of every frame"}


def _check_made_of(folder: Path, old: Mapping, new: Mapping) -> None:
    """Refuse a store of something else; the first difference is named."""
    both = (
        {
            **meta["made_of"],
            **{key: meta[key] for key in ("vocabulary", "width", "top")},
            "content": _CONTENT[meta.get("encodings", False)],
        }
        for meta in (old, new)
    )
    differing = first_difference(*both)
    if differing is not None:
        raise UserError(
            f"{folder} was made with another {differing}: delete it, or choose another "
            "folder"
        )
