"""Checks of this machine before a stage starts: GPUs, disk space, ESPnet's version."""

import logging
import os
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Iterable

from espnet_plugin.errors import UserError

__all__ = ["check_folders", "check_gpus", "check_versions"]

# Free bytes below which a stage is refused (its first file would not fit), and below
# which there is a warning.
_TOO_LITTLE, _LITTLE = 100e6, 2e9
# The release with which this plugin is tested; setup.py has the supported ones.
_ESPNET = "202611"


def check_gpus(ngpu: int) -> None:
    """Check that torch finds enough GPUs on this machine.

    Args:
        ngpu: Number of GPUs that are needed.

    Raises:
        UserError: If there are fewer; with both numbers.
    """
    if ngpu < 1:
        return
    import torch  # takes a second, and is only needed for GPUs

    there = torch.cuda.device_count()
    if there < ngpu:
        raise UserError(
            f"--ngpu {ngpu}: torch finds {there or 'no'} GPU{'s' * (there != 1)} on "
            f"this machine: give --ngpu {there}, or use a machine with enough GPUs "
            "(nvidia-smi lists them; a CPU build of torch finds none)"
        )


def check_folders(folders: Iterable[Path]) -> None:
    """Check that folders are writable and have free space; warn if there is little.

    Args:
        folders: The folders, which need not exist yet. Nothing is left in them.

    Raises:
        UserError: If a folder is not writable or has less than 100 MB of free space.
    """
    for folder in folders:
        there = _existing(Path(folder).absolute())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({there}: {error.strerror or error}): "
                "make it writable, or choose another folder (--expdir, --dumpdir, "
                "--datadir)"
            ) from error
        free = shutil.disk_usage(there).free
        if free < _TOO_LITTLE:
            raise UserError(
                f"{folder}: only {free / 1e6:.0f} MB are free on its disk: free some "
                "space or choose another folder (--dry_run true shows how much is "
                "needed)"
            )
        if free < _LITTLE:
            logging.warning(
                "%s: only %.1f GB are free on its disk; --dry_run true shows how "
                "much the stages need",
                folder,
                free / 1e9,
            )


def check_versions() -> None:
    """Warn of a release of ESPnet with which this plugin was not tested.

    Raises:
        UserError: If ESPnet is not installed.
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
