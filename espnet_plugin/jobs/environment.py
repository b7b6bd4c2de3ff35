"""Whether this machine can do what is asked of it, before hours are spent."""

import logging
import os
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Iterable

from espnet_plugin.errors import UserError

__all__ = ["check_folders", "check_gpus", "check_versions"]

# Bytes. Below the first a stage would end in the middle of its first file.
_TOO_LITTLE, _LITTLE = 100e6, 2e9
# What this plugin is tested with; setup.py says which are needed.
_ESPNET = "202611"


def check_gpus(ngpu: int) -> None:
    """Refuse to train on more GPUs than torch sees here.

    Raises:
        UserError: Naming both numbers.
    """
    if ngpu < 1:
        return
    import torch  # takes a second, and only who wants a GPU needs it

    there = torch.cuda.device_count()
    if there < ngpu:
        raise UserError(
            f"--ngpu {ngpu}: torch finds {there or 'no'} GPU{'s' * (there != 1)} on "
            f"this machine: give --ngpu {there}, or use a machine with enough GPUs "
            "(nvidia-smi lists them; a CPU build of torch finds none)"
        )


def check_folders(folders: Iterable[Path]) -> None:
    """Refuse folders that cannot be written or have no room; warn of little room.

    Args:
        folders: They need not exist yet; nothing is left in them.

    Raises:
        UserError: Naming the folder.
    """
    for folder in folders:
        there = _existing(Path(folder).absolute())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({there}: {error.strerror or error}):"
                " make it writable, or choose another folder "
                "(--expdir, --dumpdir, --datadir)"
            ) from error
        free = shutil.disk_usage(there).free
        if free < _TOO_LITTLE:
            raise UserError(
                f"{folder}: {free / 1e6:.0f} MB are free on its disk, which is too "
                "little: free some space or choose another folder (--dry_run true "
                "shows how much is needed)"
            )
        if free < _LITTLE:
            logging.warning(
                "%s: only %.1f GB are free on its disk; --dry_run true shows how "
                "much the stages need",
                folder,
                free / 1e9,
            )


def check_versions() -> None:
    """Warn of an ESPnet that this plugin was not tested with.

    Raises:
        UserError: If there is none.
    """
    try:
        found = version("espnet")
    except PackageNotFoundError as error:
        raise UserError(
            "ESPnet is not installed in this Python: run make env, or pip install -e ."
        ) from error
    if not found.startswith(_ESPNET):
        logging.warning(
            "ESPnet %s is installed; this plugin is tested with %s", found, _ESPNET
        )


def _existing(folder: Path) -> Path:
    while not os.path.lexists(folder):
        folder = folder.parent
    return folder
