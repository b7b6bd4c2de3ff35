"""Whether files can be written: checked before work, and the permissions they get."""

import os
from pathlib import Path

from espnet_plugin.errors import UserError

__all__ = ["check_writable", "usual_mode"]


def check_writable(folder: Path, option: str) -> None:
    """Check that files can be written into a folder, which may not be there yet.

    Args:
        folder: The folder.
        option: What a user gave it as, for the message.

    Raises:
        UserError: If something else has its name, or it cannot be written.
    """
    there = Path(folder)
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    named = f"{option} {folder}".lstrip()
    if not there.is_dir():
        raise UserError(f"{named}: {there} is not a folder; choose another one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(
            f"{named}: {there} cannot be written; choose another folder, or make it "
            "writable"
        )


def usual_mode(mode: int) -> int:
    """Return the permissions that the user's umask leaves of a mode.

    For files and folders that are made with the narrow permissions of ``tempfile``.
    """
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mode & ~mask
