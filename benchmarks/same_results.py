"""The results of stages, value by value, so that two runs can be compared.

Each tensor of a checkpoint, each array, each value of a JSON file and each line of any
other text file is a separate value. Values in which two undisturbed runs differ (times,
names of temporary files) are not compared.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch

# Logs of what happened, locks, and digests that are kept beside inodes and times.
_NOT_COMPARED = ("log", "tensorboard", "images", ".lock", ".digests", "__pycache__")
# How busy the machine was, noted beside speeds: it may be the same twice by chance.
_LOAD_KEY, _LOAD_LINE = "load_average", b"kept busy by other programs"
_TEXT = (".md", ".html", ".csv", ".txt", ".yaml", ".svg")


def results(folder: Path) -> dict[str, str]:
    """Return a digest of every value below ``folder``, by file and place in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_dir() or path.suffix == ".log" or set(parts) & set(_NOT_COMPARED):
            continue
        # What a killed process left; a run more than a minute later removes it.
        if any(".unfinished." in part for part in parts):
            continue
        name = "/".join(parts)
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
            continue
        for place, value in _values(path):
            found[f"{name} {place}".strip()] = value
    return found


def _values(path: Path) -> Iterator[tuple[str, str]]:
    content = path.read_bytes()
    if path.suffix == ".pth":
        state = torch.load(path, map_location="cpu", weights_only=True)
        yield from _flat("", state)
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            for name in arrays:
                yield name, _digest(arrays[name].tobytes())
    elif path.suffix == ".json":
        try:
            yield from _flat("", json.loads(content))
        except ValueError:  # emptied by a fault, and not written again
            yield "damaged", _digest(content)
    elif path.suffix in _TEXT:
        for n, line in enumerate(content.split(b"\n"), 1):
            if _LOAD_LINE not in line:
                yield f"line {n}", _digest(line)
    else:
        yield "", _digest(content)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == _LOAD_KEY:
                continue
            yield from _flat(f"{name}/{key}", inner)
    elif isinstance(value, (list, tuple)):
        for n, inner in enumerate(value):
            yield from _flat(f"{name}/{n}", inner)
    elif isinstance(value, torch.Tensor):
        raw = value.contiguous().view(-1).view(torch.uint8)
        yield name, _digest(f"{value.dtype}{tuple(value.shape)}".encode() + bytes(raw))
    else:
        yield name, repr(value)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=10).hexdigest()
