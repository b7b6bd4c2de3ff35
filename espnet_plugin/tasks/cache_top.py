"""The option ``--teacher_cache_top``, of tasks and of the commands that pass it on.

It is a module of its own because a command's ``--help`` should not wait for torch.
"""

import argparse

__all__ = ["TEACHER_CACHE_TOP", "token_count"]

_MOST = 10**9


def token_count(given: str) -> int:
    """Read a number of tokens from the command line.

    Raises:
        argparse.ArgumentTypeError: If it is not a whole number from 0.
    """
    try:
        value = int(given)
    except ValueError:
        value = -1
    if not 0 <= value <= _MOST:
        shown = given if len(given) <= 40 else f"{given[:40]}..."
        raise argparse.ArgumentTypeError(f"{shown!r}: must be a whole number from 0")
    return value


# Arguments of ``add_argument``.
TEACHER_CACHE_TOP = {
    "type": token_count,
    "default": 0,
    "help": "number of most probable tokens stored for each frame (0: all)",
}
