"""The folder of an export, which is written completely or not at all."""

import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import Collection, Iterator

from espnet_plugin.errors import UserError
from espnet_plugin.export.facts import ModelFacts
from espnet_plugin.files import read_json
from espnet_plugin.scratch import exchange_folders, scratch_folder
from espnet_plugin.writable import usual_mode

__all__ = [
    "CONTEXT_GRAPH",
    "FORMAT",
    "META",
    "OWN_FILES",
    "check_target",
    "rejected_int8",
    "whole_folder",
]

META = "meta.json"
# Of the content of META; another number: an earlier reader would misread it.
FORMAT = 1
# Contextual words for sherpa-onnx; of the tokens of the model beside it.
CONTEXT_GRAPH = "hotwords.fst"
# What an export may hold, of whatever target; other files in its folder are a user's.
OWN_FILES = (
    *("model.onnx", "model.int8.onnx", "model.fixed.onnx"),
    *("chunk.onnx", "chunk.int8.onnx", "front_end.onnx"),
    *("recognise.py", "run_sherpa.py", "run_sherpa_kaldi.py"),
    *("script_parts.py", "__pycache__"),
    *("tokens.txt", CONTEXT_GRAPH, META, "README.md", "card.json"),
)


def check_target(
    folder: Path, facts: ModelFacts, target: str, experiment: Path
) -> None:
    """Check that a folder may be written.

    An export of the same model and target may be replaced. Inside the model's own
    folder this is also possible if the model has been trained again since.

    Args:
        folder: Folder of the export.
        facts: The model.
        target: Name of the target.
        experiment: Folder of the model.

    Raises:
        UserError: If it holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(
            f"--output_dir {folder}: a file of that name exists; choose another folder"
        )
    if not any(folder.iterdir()):
        return
    way_out = "choose another --output_dir, or remove it"
    meta = read_json(folder / META) if (folder / META).is_file() else None
    # Experiments have a meta.json too.
    if not isinstance(meta, dict) or not {"format", "target"} <= set(meta):
        raise UserError(
            f"--output_dir {folder}: the folder holds files that are not an export; "
            "choose another one"
        )
    there = meta.get("model", {})
    own = Path(folder).resolve().is_relative_to(Path(experiment).resolve())
    changed = there.get("checkpoint_sha256") != facts.checkpoint_sha256
    if changed and own and there.get("experiment") == facts.experiment:
        logging.info("%s is exported again, because the model has changed", folder)
    elif changed:
        raise UserError(
            f"--output_dir {folder}: it holds an export of a different model "
            f"({there.get('experiment')}, {there.get('checkpoint')}); {way_out}"
        )
    if meta.get("target") != target:
        raise UserError(
            f"--output_dir {folder}: it holds an export for {meta.get('target')}; "
            f"{way_out}"
        )


def rejected_int8(folder: Path) -> str:
    """Return why an export has no 8-bit file; empty if it has one or wants none."""
    int8 = read_json(folder / META).get("int8") or {"accepted": True}
    return "" if int8["accepted"] else int8["reason"]


def _keep_others(old: Path, new: Path, own: Collection[str]) -> None:
    """Copy files of an old folder that are neither in the new one nor in ``own``."""
    for path in old.iterdir():
        place = new / path.name
        if path.name in own or os.path.lexists(place):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, place, symlinks=True)
        else:
            shutil.copy2(path, place, follow_symlinks=False)


def _replace(folder: Path, new: Path) -> None:
    """Replace a folder in two steps; if the second one does not happen, undo the first.

    Also if Ctrl-C is what prevents it. Only a kill in between loses the old folder.
    """
    with scratch_folder(folder) as old:
        try:
            os.replace(folder, old)
            os.replace(new, folder)
        except BaseException:
            if not folder.exists():
                os.replace(old, folder)
            raise


@contextlib.contextmanager
def whole_folder(folder: Path, own: Collection[str] = ()) -> Iterator[Path]:
    """Create a temporary folder that replaces ``folder`` at the end.

    If anything fails before, the old folder is not changed. Where the system can (on
    Linux), there is no moment without a whole folder. A symbolic link is kept: the
    folder that it leads to is replaced.

    Args:
        folder: The folder.
        own: Names of files that an earlier version may have written. If given, all
            other files in the old folder, which are a user's, are kept.

    Raises:
        UserError: If the disk is full or the folder cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    try:
        with scratch_folder(folder) as temporary:
            yield temporary
            if own and folder.exists():
                _keep_others(folder, temporary, own)
            os.chmod(temporary, usual_mode(0o777))
            if not folder.exists():
                os.replace(temporary, folder)
            elif not exchange_folders(folder, temporary):
                _replace(folder, temporary)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}; free some space "
            "or choose another --output_dir"
        ) from error
