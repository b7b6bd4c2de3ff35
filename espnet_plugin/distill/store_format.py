"""How a store of outputs lies on the disk: what its writer and its reader agree on.

``index.tsv`` has a line for each utterance: name, frames, number of the first frame and
a checksum. The outputs themselves lie one after the other in ``posteriors.bin`` (half
precision), ``tokens.bin`` (if not the whole vocabulary is kept), ``pooled.bin`` and, if
asked for, ``encodings.bin`` (the encoding of every frame, in half precision).
``meta.json`` says what they were made of, and ``done.json`` marks a whole store.
A line of the index is written after its data, so an interrupted writing goes on after
the last whole utterance.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.inputs import first_difference

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
    """One of the files with outputs: rows of numbers.

    Attributes:
        dtype: Kind of number.
        width: Numbers in a row.
        per_frame: Whether it has a row for each frame; otherwise for each utterance.
    """

    dtype: np.dtype
    width: int
    per_frame: bool = True


@dataclass(frozen=True)
class StoreShape:
    """What a store keeps of each frame and each utterance.

    Attributes:
        vocabulary: Number of tokens.
        width: Width of the encoding.
        top: Number of most probable tokens kept of a frame; 0: all.
        encodings: Whether the encoding of every frame is kept, not only their mean.
    """

    vocabulary: int
    width: int
    top: int = 0
    encodings: bool = False

    @classmethod
    def of_meta(cls, meta: Mapping[str, Any]) -> "StoreShape":
        """Return the shape that ``meta.json`` says."""
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
        # Stores without them look as they did in earlier versions.
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
        """Return the bytes of each file with outputs.

        Args:
            utterances: Number of utterances that are written.
            frames: Number of frames of all of them.
        """
        return {
            name: (frames if part.per_frame else utterances)
            * part.width
            * part.dtype.itemsize
            for name, part in self.parts().items()
        }


@dataclass(frozen=True)
class Entry:
    """Where the outputs of an utterance are.

    Attributes:
        frames: Number of frames.
        start: Number of the first frame.
        row: Number of the utterance.
        checksum: CRC-32 of its data, in the order of the files' names.
    """

    frames: int
    start: int
    row: int
    checksum: int


def read_index(folder: Path) -> dict[str, Entry]:
    """Return the utterances in a store; a last line that a kill cut off is removed."""
    path = folder / INDEX
    if not path.is_file():
        return {}
    entries: dict[str, Entry] = {}
    content = path.read_text(encoding="utf-8")
    whole, _, rest = content.rpartition("\n")
    if rest:
        logging.info("%s: leaving out its unfinished last line", path)
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    for line in filter(None, whole.split("\n")):
        name, frames, start, checksum = line.split("\t")
        entries[name] = Entry(int(frames), int(start), len(entries), int(checksum))
    return entries


# What a store holds of encodings, in the words of a refusal.
_CONTENT = {False: "mean encodings", True: "encodings of every frame"}


def check_made_of(folder: Path, old: Mapping, new: Mapping) -> None:
    """Refuse a store of something else; the first difference is named.

    Args:
        folder: Folder of the store, for the message.
        old: What its ``meta.json`` says.
        new: What it would have to say.

    Raises:
        UserError: If they differ.
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
            f"{folder} was made with another {differing}: delete it, or choose another "
            "folder"
        )
