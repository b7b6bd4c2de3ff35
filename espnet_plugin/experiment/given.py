"""The folder that a user gives to a command as a model."""

from pathlib import Path

from espnet_plugin.errors import UserError

__all__ = ["check_given"]


def check_given(path: Path) -> None:
    """Check that the path of a model is a folder.

    Raises:
        UserError: If it is missing or a file, with the way to a folder.
    """
    if path.is_dir():
        return
    if not path.exists():
        raise UserError(f"{path}: the folder does not exist; give an experiment folder")
    if path.suffix == ".zip":
        raise UserError(
            f"{path} is a packed model: make an experiment folder of it by python -m "
            f"espnet_plugin.bin.import_reference --reference {path} --output_dir "
            f"exp/{path.stem}, and give that"
        )
    raise UserError(
        f"{path} is a file, not a folder: give the experiment's folder, {path.parent}"
    )
