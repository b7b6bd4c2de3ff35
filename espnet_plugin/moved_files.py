"""New places of configurations that were moved, for error messages."""

import os
from pathlib import Path
from typing import Union

__all__ = ["moved_to"]

_ROOT = Path(__file__).resolve().parents[1]
# New path by the end of the old path, which was valid in every recipe (conf/ is a
# link).
_MOVED = {
    "conf/dualmode/train_an4.yaml": "egs2/an4/dualmode1/conf/dualmode/train_an4.yaml",
    "conf/lmprune/train_lm_an4.yaml": (
        "egs2/an4/lmprune1/conf/lmprune/train_lm_an4.yaml"
    ),
}


def moved_to(path: Union[str, os.PathLike]) -> str:
    """Return a clause for a message about a missing file with its new place.

    The clause is empty if the file was not moved.
    """
    parts = Path(path).parts
    for old, new in _MOVED.items():
        end = Path(old).parts
        if parts[-len(end) :] == end:
            return f"; it was moved to {_ROOT / new}: give that path"
    return ""
