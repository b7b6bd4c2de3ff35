"""Read a store of model outputs by utterance.

The files of a store are described in ``store_format.py``.
"""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_plugin.distill.store_format import (
    DONE,
    ENCODINGS,
    META,
    POOLED,
    POSTERIORS,
    TOKENS,
    Part,
    StoreShape,
    check_made_of,
    read_index,
)
from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json

__all__ = ["OutputStore", "StoredOutputs", "expand_top"]


class StoredOutputs(NamedTuple):
    """The stored outputs of a batch.

    Attributes:
        log_posteriors: ``(batch, frames, vocabulary)`` with zeros on the padding.
        pooled: Mean encodings, ``(batch, width)``.
        lengths: Number of valid frames, ``(batch,)``.
        encodings: ``(batch, frames, width)`` with zeros on the padding; None if only
            their mean is stored.
    """

    log_posteriors: torch.Tensor
    pooled: torch.Tensor
    lengths: torch.Tensor
    encodings: Optional[torch.Tensor]


class OutputStore:
    """Reads a finished store; its files are mapped into memory.

    Args:
        folder: Folder of a finished store.
        made_of: Inputs from which the outputs must have been computed, by name; None:
            any.

    Raises:
        UserError: If the store is unfinished, was made from different inputs, or the
            size of a file has changed.

    Attributes:
        folder: Folder of the store.
        figures: Content of ``done.json``: utterances, sizes of files, and cost.
        digest: Digest of the inputs and the shape of the store.
        vocabulary: Number of tokens.
        width: Width of the encoding.
        top: Number of most probable tokens stored for a frame; 0: all.
        has_encodings: Whether the encoding of every frame is stored, not only the mean.
    """

    def __init__(self, folder: Path, made_of: Optional[Mapping[str, Any]] = None):
        self.folder = Path(folder)
        done = read_json(self.folder / DONE)
        meta = read_json(self.folder / META)
        if made_of is not None:
            check_made_of(self.folder, meta, {**meta, "made_of": dict(made_of)})
        for name, size in done["files"].items():
            path = self.folder / name
            actual = path.stat().st_size if path.is_file() else None
            if actual != size:
                raise UserError(
                    f"{path} is damaged: {actual} bytes, not {size}: delete "
                    f"{self.folder} and run again"
                )
        self.figures = done
        self.digest = hashlib.sha256(
            json.dumps(meta, sort_keys=True).encode()
        ).hexdigest()
        shape = StoreShape.of_meta(meta)
        self.vocabulary, self.width = shape.vocabulary, shape.width
        self.top, self.has_encodings = shape.top, shape.encodings
        self._entries = read_index(self.folder)
        self._parts = {
            name: _map(self.folder / name, part) for name, part in shape.parts().items()
        }

    @staticmethod
    def recorded_inputs(folder: Path) -> dict[str, Any]:
        """Return the recorded inputs of a store; empty if there is no store."""
        path = Path(folder) / META
        return dict(read_json(path)["made_of"]) if path.is_file() else {}

    @property
    def names(self) -> list[str]:
        """Ids of the utterances in the store, in the order of writing."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, names: Sequence[str]) -> StoredOutputs:
        """Return the outputs of a batch.

        Args:
            names: Ids of the utterances.

        Raises:
            UserError: If an utterance is missing or its data is damaged.
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
                f"{self.folder} does not hold {name}: delete the folder and run again"
            )
        frames = slice(entry.start, entry.start + entry.frames)
        rows = {
            file: part[entry.row if file == POOLED else frames]
            for file, part in self._parts.items()
        }
        checksum = 0
        for file in sorted(rows):  # in the order in which they are written
            checksum = zlib.crc32(rows[file].tobytes(), checksum)
        if checksum != entry.checksum:
            raise UserError(
                f"{self.folder}: the data of {name} is damaged: delete the folder and "
                "run again"
            )
        values = _tensor(rows[POSTERIORS], np.float32)
        if TOKENS in rows:
            tokens = _tensor(rows[TOKENS], np.int64)
            values = expand_top(values, tokens, self.vocabulary)
        encodings = rows.get(ENCODINGS)
        return StoredOutputs(
            values,
            _tensor(rows[POOLED], np.float32),
            torch.tensor(entry.frames),
            None if encodings is None else _tensor(encodings, np.float32),
        )


def expand_top(
    values: torch.Tensor, tokens: torch.Tensor, vocabulary: int
) -> torch.Tensor:
    """Return log-posteriors of all tokens; the missing ones share what is left equally.

    Args:
        values: Log-posteriors of the most probable tokens, ``(frames, top)``.
        tokens: Indices of these tokens, ``(frames, top)``.
        vocabulary: Number of tokens.

    Returns:
        ``(frames, vocabulary)``.
    """
    others = vocabulary - values.shape[1]
    if others == 0:
        return torch.empty(len(values), vocabulary).scatter_(1, tokens, values)
    # By rounding, the rest may be zero or negative.
    left = (1.0 - values.exp().sum(-1, keepdim=True)).clamp(min=1e-6)
    whole = (left / others).log().expand(-1, vocabulary).clone()
    return whole.scatter_(1, tokens, values)


def _map(path: Path, part: Part) -> np.ndarray:
    if path.stat().st_size == 0:
        return np.zeros((0, part.width), dtype=part.dtype)
    return np.memmap(path, dtype=part.dtype, mode="r").reshape(-1, part.width)


def _tensor(row: np.ndarray, kind: type) -> torch.Tensor:
    """Return a copy, because arrays that are mapped into memory are read-only."""
    return torch.from_numpy(row.astype(kind))
