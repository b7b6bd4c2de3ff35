"""Write a store of outputs by utterance; interrupted writing is resumed."""

import logging
import os
import zlib
from pathlib import Path
from typing import Any, Mapping, Optional

import numpy as np
import torch

from espnet_plugin.distill.store_format import (
    DONE,
    ENCODINGS,
    INDEX,
    META,
    POOLED,
    POSTERIORS,
    TOKENS,
    Entry,
    StoreShape,
    check_made_of,
    read_index,
)
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json

__all__ = ["StoreWriter"]


class StoreWriter:
    """Writes a new store or resumes an incomplete one.

    Args:
        folder: Folder of the store, which is created if necessary.
        made_of: Inputs that determine the outputs, by name; a reader checks them.
        vocabulary: Number of tokens.
        width: Width of the encoding.
        top: Number of most probable tokens stored for a frame; 0: all.
        encodings: Whether the encoding of every frame is stored, not only their mean. A
            resumed store that has them continues to store them.

    Attributes:
        folder: Folder of the store.
        entries: Positions of the stored utterances, by id.
        keeps_encodings: Whether :meth:`add` needs the encoding of every frame.

    Raises:
        UserError: If ``top`` is out of range, or the folder holds a store that was made
            from different inputs.
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
        path = self.folder / META
        begun = read_json(path) if path.is_file() else {}
        if not begun:
            # Of which inputs the outputs in it are, nobody can tell.
            (self.folder / INDEX).unlink(missing_ok=True)
        self.keeps_encodings = encodings or begun.get("encodings", False)
        self._shape = StoreShape(vocabulary, width, top, self.keeps_encodings)
        meta = self._shape.meta(made_of)
        if begun:
            check_made_of(self.folder, begun, meta)
        else:
            write_json(path, meta)
        self.entries = read_index(self.folder)
        self._frames = sum(entry.frames for entry in self.entries.values())
        self._drop_lost()
        self._streams = {}
        for name, size in self._sizes().items():
            stream = open(self.folder / name, "ab")
            # Data of an incomplete utterance, which is not in the index, is removed.
            stream.truncate(size)
            stream.seek(0, os.SEEK_END)
            self._streams[name] = stream
        self._index = open(self.folder / INDEX, "a", encoding="utf-8")

    def add(
        self,
        name: str,
        log_posteriors: torch.Tensor,
        pooled: torch.Tensor,
        encoding: Optional[torch.Tensor] = None,
    ) -> None:
        """Write one utterance.

        Args:
            name: Id of the utterance.
            log_posteriors: ``(frames, vocabulary)``.
            pooled: Mean encoding, ``(width,)``.
            encoding: ``(frames, width)``; only used if :attr:`keeps_encodings`.

        Raises:
            UserError: If the disk is full, or a value is not finite (in half precision
                for encodings).
        """
        if not (torch.isfinite(pooled).all() and torch.isfinite(log_posteriors).all()):
            raise UserError(
                f"the reference's outputs for {name} are not finite: check this "
                "utterance and the reference"
            )
        written = self._shape.parts()
        parts = {}
        if self.keeps_encodings:
            kind = written[ENCODINGS].dtype
            with np.errstate(over="ignore"):  # refused below
                stored = encoding.float().cpu().numpy().astype(kind)
            if not np.isfinite(stored).all():
                raise UserError(
                    f"the reference's encodings of {name} are beyond half precision "
                    f"({kind}, at most 65504), so they cannot be stored: "
                    "train without --teacher_cache"
                )
            parts[ENCODINGS] = stored
        values = log_posteriors.float()
        if self._shape.top:
            values, tokens = values.topk(self._shape.top, dim=-1)
            parts[TOKENS] = tokens.cpu().numpy()
        # Half precision ends at 65504; below -1000 a posterior is zero anyway.
        parts[POSTERIORS] = values.clamp(min=-1e3).cpu().numpy()
        parts[POOLED] = pooled.float().cpu().numpy()
        checksum = 0
        try:
            for part in sorted(parts):
                data = parts[part].astype(written[part].dtype).tobytes()
                self._streams[part].write(data)
                self._streams[part].flush()
                checksum = zlib.crc32(data, checksum)
            frames = len(log_posteriors)
            self._index.write(f"{name}\t{frames}\t{self._frames}\t{checksum}\n")
            self._index.flush()
        except OSError as error:
            raise UserError(
                f"cannot write {self.folder}: {error.strerror or error}. Free some "
                "space and run again: complete utterances are kept"
            ) from error
        entry = Entry(frames, self._frames, len(self.entries), checksum)
        self.entries[name] = entry
        self._frames += frames

    def finish(self, **figures: Any) -> None:
        """Mark the store as complete.

        Args:
            figures: Further content of ``done.json``, e.g. the cost.
        """
        for stream in (*self._streams.values(), self._index):
            stream.close()
        write_json(
            self.folder / DONE,
            {"utterances": len(self.entries), "files": self._sizes(), **figures},
        )

    def _drop_lost(self) -> None:
        """Begin again if a file is shorter than the index says, as after a power cut.

        Otherwise the missing outputs would be filled with zeros.
        """
        for name, size in self._sizes().items():
            path = self.folder / name
            there = path.stat().st_size if path.is_file() else 0
            if there < size:
                logging.warning(
                    "%s has %d bytes instead of %d: the store is made again",
                    *(path, there, size),
                )
                (self.folder / INDEX).unlink()
                self.entries, self._frames = {}, 0
                return

    def _sizes(self) -> dict[str, int]:
        return self._shape.sizes(len(self.entries), self._frames)
