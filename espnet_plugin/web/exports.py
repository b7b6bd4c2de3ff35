"""Find the exported model for a folder that a user names."""

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.given import check_given
from espnet_plugin.export.read import is_export, read_export
from espnet_plugin.files import file_checksum
from espnet_plugin.writable import check_writable

__all__ = ["Exported", "exported"]


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        folder: The folder of the export.
        experiment: The experiment to which it belongs, if any.
    """

    folder: Path
    experiment: Optional[Path] = None


def exported(folder: Path) -> Exported:
    """Return the export in a folder; export the model if necessary.

    Args:
        folder: An export or an experiment.

    Raises:
        UserError: If it is neither, or cannot be exported.
    """
    check_given(folder)
    if is_export(folder):
        outside = folder.parent.parent
        return Exported(
            folder, outside if Experiment(outside).config_file.is_file() else None
        )
    inside = folder / "export" / "onnx"
    if is_export(inside):
        _check_current(inside, folder)
        logging.info("%s: using the existing export", inside)
        return Exported(inside, folder)
    try:
        check_writable(inside, "")
    except UserError as error:
        raise UserError(
            f"{folder} has no export, and none can be written into it: export it with "
            f"python -m espnet_plugin.bin.export {shlex.quote(str(folder))} "
            "--output_dir X, and give X"
        ) from error
    # Imported here, because importing torch and ESPnet takes many seconds.
    from espnet_plugin.export.derive import ExportOptions, export_model
    from espnet_plugin.export.streaming.derive import export_streaming
    from espnet_plugin.export.streaming.source import is_streaming

    if is_streaming(folder):
        return Exported(export_streaming(folder), folder)
    return Exported(export_model(folder, ExportOptions()), folder)


def _check_current(export: Path, experiment: Path) -> None:
    """Refuse an export of a checkpoint that has changed or is not there any more."""
    model = read_export(export).model
    path = experiment / str(model.get("checkpoint"))
    if path.is_file() and file_checksum(path) == model.get("checkpoint_sha256"):
        return
    raise UserError(
        f"{export} was exported from another {path.name} than the one that is in "
        f"{experiment} now: export it again, with the same options (python -m "
        f"espnet_plugin.bin.export {shlex.quote(str(experiment))})"
    )
