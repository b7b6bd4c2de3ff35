"""The files of a store of model outputs.

``index.tsv`` has a line for each utterance: id, number of frames, number of the first
frame and a checksum. The outputs of all utterances are concatenated in
``posteriors.bin`` (half precision), ``tokens.bin`` (if only the most probable tokens
are stored), ``pooled.bin`` and, on request, ``encodings.bin`` (the encoding of every
frame, in half precision). ``meta.json`` has the inputs from which they were computed,
and ``done.json`` marks a complete store. A line of the index is written after its data,
so writing can be resumed after the last complete utterance.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.files import read_json

__all__ = [
    "DONE",
    "ENCODINGS",
    "ENCODING_DTYPE",
    "INDEX",
    "META",
    "POOLED",
    "POSTERIORS",
    "POSTERIOR_DTYPE",
    "TOKENS",
    "Entry",
    "Part",
    "StoreShape",
    "check_folder",
    "check_made_of",
    "read_index",
]

META, DONE, INDEX = "meta.json", "done.json", "index.tsv"
POSTERIORS, TOKENS, POOLED = "posteriors.bin", "tokens.bin", "pooled.bin"
ENCODINGS = "encodings.bin"
POSTERIOR_DTYPE, _TOKEN, _FLOAT = np.dtype("<f2"), np.dtype("<i4"), np.dtype("<f4")
ENCODING_DTYPE = np.dtype("<f2")


@dataclass(frozen=True)
class Part:
    """A file with outputs, which has rows of numbers.

    Attributes:
        dtype: Type of the numbers.
        width: Number of values in a row.
        per_frame: Whether there is a row for each frame; otherwise for each utterance.
    """

    dtype: np.dtype
    width: int
    per_frame: bool = True


@dataclass(frozen=True)
class StoreShape:
    """What a store has for each frame and each utterance.

    Attributes:
        vocabulary: Number of tokens.
        width: Width of the encoding.
        top: Number of most probable tokens stored for a frame; 0: all.
        encodings: Whether the encoding of every frame is stored, not only their mean.
    """

    vocabulary: int
    width: int
    top: int = 0
    encodings: bool = False

    @classmethod
    def of_meta(cls, meta: Mapping[str, Any]) -> "StoreShape":
        """Return the shape from the content of ``meta.json``."""
        sizes = (meta[name] for name in ("vocabulary", "width", "top"))
        return cls(*sizes, meta.get("encodings", False))

    def meta(self, made_of: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of ``meta.json``."""
        content = {
            "made_of": dict(made_of),
            "vocabulary": self.vocabulary,
            "width": self.width,
            "top": self.top,
        }
        # Without encodings the content is as in earlier versions.
        return {**content, "encodings": True} if self.encodings else content

    def parts(self) -> dict[str, Part]:
        """Return the files with outputs, by name."""
        kept = self.top or self.vocabulary
        parts = {
            POSTERIORS: Part(POSTERIOR_DTYPE, kept),
            POOLED: Part(_FLOAT, self.width, per_frame=False),
        }
        if self.top:
            parts[TOKENS] = Part(_TOKEN, kept)
        if self.encodings:
            parts[ENCODINGS] = Part(ENCODING_DTYPE, self.width)
        return parts

    def sizes(self, utterances: int, frames: int) -> dict[str, int]:
        """Return the size of each file with outputs in bytes.

        Args:
            utterances: Number of utterances.
            frames: Number of frames of all utterances.
        """
        return {
            name: (frames if part.per_frame else utterances)
            * part.width
            * part.dtype.itemsize
            for name, part in self.parts().items()
        }


@dataclass(frozen=True)
class Entry:
    """Position of the outputs of an utterance.

    Attributes:
        frames: Number of frames.
        start: Index of the first frame in the files.
        row: Index of the utterance.
        checksum: CRC-32 of its data, in the order of the files' names.
    """

    frames: int
    start: int
    row: int
    checksum: int


def read_index(folder: Path) -> dict[str, Entry]:
    """Return the utterances in a store, after removing an incomplete last line.

    Raises:
        UserError: If the index is damaged.
    """
    path = folder / INDEX
    if not path.is_file():
        return {}
    try:
        return _entries(path)
    except ValueError as error:  # also where it is not UTF-8
        raise UserError(
            f"{path} is damaged ({error}): delete {folder} and run again"
        ) from error


def _entries(path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    content = path.read_text(encoding="utf-8")
    whole, _, rest = content.rpartition("\n")
    if rest:
        logging.info("%s: removing the incomplete last line", path)
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    for line in filter(None, whole.split("\n")):
        name, frames, start, checksum = line.split("\t")
        entries[name] = Entry(int(frames), int(start), len(entries), int(checksum))
    return entries


def check_folder(folder: Path) -> None:
    """Check that a folder is a store, or one may be begun there.

    Args:
        folder: The folder; it need not exist.

    Raises:
        UserError: If it holds something else.
    """
    meta = folder / META
    if meta.is_file():
        content = read_json(meta)
        other = [] if isinstance(content, dict) and "made_of" in content else [META]
    elif folder.is_dir():
        # Hidden files are locks and digests. A store without its description is named
        # where it is read.
        own = {DONE, INDEX, POSTERIORS, TOKENS, POOLED, ENCODINGS}
        other = sorted({one.name for one in folder.glob("[!.]*")} - own)
    else:
        other = []
    if other:
        raise UserError(
            f"--teacher_cache {folder}: holds something other than stored outputs of a "
            f"reference ({', '.join(other[:3])}): name a new folder, or auto"
        )


# The stored encodings, in words for messages.
_CONTENT = {False: "mean encodings", True: "encodings of every frame"}


def check_made_of(folder: Path, old: Mapping, new: Mapping) -> None:
    """Check that a store was made from the wanted inputs.

    Args:
        folder: Folder of the store, for the message.
        old: Content of its ``meta.json``.
        new: Content of ``meta.json`` for the wanted inputs.

    Raises:
        UserError: If they differ; with the first difference.
    """
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
            f"{folder} was made from different inputs: {differing}: delete the folder, "
            "or choose another one with --teacher_cache"
        )
