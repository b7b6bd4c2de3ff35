"""Check --reference by its files and its tokens, before slow imports."""

import zipfile
from pathlib import Path

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.named_files import check_tokens
from espnet_plugin.reference.model_zoo import is_model_name

__all__ = ["check_reference"]

_HUB = "https://huggingface.co/"
_WAY_OUT = "give an ESPnet ASR experiment folder, a .zip that espnet2.bin.pack wrote"


def check_reference(reference: str, model_file: str = "") -> None:
    """Check that a reference can be imported, as far as small files show it.

    Args:
        reference: A folder, a packed model, or a name in ESPnet's model zoo, which is
            not looked up.
        model_file: Name of the checkpoint in the folder; empty for any.

    Raises:
        UserError: If the path does not exist, is of a wrong kind, or lacks a file, or
            its configuration has no list of tokens.
    """
    path = Path(reference)
    if not path.exists():
        if is_model_name(reference):
            return
        hint = ""
        if reference.startswith("~"):
            hint = " (~ is not replaced inside quotes: write the whole path)"
        if reference.startswith(_HUB):
            hint = f" (for this one: {reference.removeprefix(_HUB).strip('/')})"
        raise UserError(
            f"--reference {reference} does not exist: {_WAY_OUT}, or a name in "
            f"ESPnet's model zoo{hint}"
        )
    if path.is_dir():
        _check_folder(path, model_file)
    elif Experiment(path.parent).config_file.is_file():
        name = "" if path.suffix != ".pth" else f" --reference_model_file {path.name}"
        raise UserError(
            f"--reference {reference} is a file: give its folder, --reference "
            f"{path.parent}{name}"
        )
    elif path.suffix != ".zip" or not zipfile.is_zipfile(path):
        raise UserError(
            f"--reference {reference} is neither a folder nor a .zip: {_WAY_OUT} "
            "(python -m espnet2.bin.pack asr ... --outpath model.zip)"
        )


def _check_folder(path: Path, model_file: str) -> None:
    found = Experiment(path)
    if found.pack_file.is_file():
        return  # an unpacked model, whose files are in subfolders
    if not found.config_file.is_file():
        inner = [
            one.parent
            for pattern in ("*/config.yaml", "snapshots/*/meta.yaml")
            for one in sorted(path.glob(pattern))
        ]
        if (path / "model.json").is_file():
            raise UserError(
                f"--reference {path} is a model of ESPnet 1 (model.json), which cannot "
                f"be imported: {_WAY_OUT}"
            )
        if inner:
            raise UserError(
                f"--reference {path} has no config.yaml, but {len(inner)} folder(s) in "
                f"it have: give one of them, e.g. {inner[0]}"
            )
        raise UserError(
            f"--reference {path} has no config.yaml: give the folder that ESPnet's ASR "
            "training wrote, e.g. exp/asr_train_raw_bpe500"
        )
    if model_file and not (path / model_file).is_file():
        there = ", ".join(sorted(one.name for one in path.glob("*.pth"))) or "none"
        raise UserError(
            f"--reference_model_file {model_file}: {path / model_file} is missing; the "
            f"checkpoints there are: {there}"
        )
    config = read_config(found.config_file)
    check_tokens(config, found.config_file)
