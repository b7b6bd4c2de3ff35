"""Configurations that were moved: old command lines get an answer."""

import os
from pathlib import Path
from typing import Union

__all__ = ["moved_to"]

_ROOT = Path(__file__).resolve().parents[1]
# By what the path ends in: in the repository's conf/ each was found from any recipe.
_MOVED = {
    "conf/dualmode/train_an4.yaml": "egs2/an4/dualmode1/conf/dualmode/train_an4.yaml",
    "conf/lmprune/train_lm_an4.yaml": (
        "egs2/an4/lmprune1/conf/lmprune/train_lm_an4.yaml"
    ),
}


def moved_to(path: Union[str, os.PathLike]) -> str:
    """Return the end of a message about a missing file: where it is now, or nothing."""
    parts = Path(path).parts
    for old, new in _MOVED.items():
        end = Path(old).parts
        if parts[-len(end) :] == end:
            return f"; it was moved to {_ROOT / new}: give that path"
    return ""
