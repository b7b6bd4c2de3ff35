"""A digest of what was checked: content of tables; size, inode and times of audio."""

import hashlib
import json
from pathlib import Path
from typing import Any, Sequence

from espnet_plugin.data.content import file_state
from espnet_plugin.files import file_checksum

__all__ = ["stamp_of"]

_TABLES = ("wav.scp", "feats.scp", "segments", "text", "utt2spk", "spk2utt")


def stamp_of(folders: Sequence[Path], settings: Any) -> str:
    """Return a digest that changes if anything changes that the check reads.

    Args:
        folders: Kaldi folders.
        settings: Other settings that affect the result; serialised as JSON.
    """
    digest = hashlib.sha256(json.dumps(settings, default=str).encode())
    for folder in folders:
        digest.update(f"{folder}\n".encode())
        for name in _TABLES:
            path = folder / name
            if path.is_file():
                digest.update(f"{name} {file_checksum(path)}\n".encode())
        if (folder / "wav.scp").is_file():
            with open(folder / "wav.scp", "rb") as lines:
                for line in lines:
                    fields = line.split(maxsplit=1)
                    digest.update(_file(fields[1].rstrip() if fields[1:] else b""))
    return digest.hexdigest()


def _file(path: bytes) -> bytes:
    try:
        return f"{file_state(path)};".encode()
    except (OSError, ValueError):
        return b"-"
