"""Find the exported model for a folder that a user names."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.given import check_given
from espnet_plugin.export.read import is_export

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
        logging.info("%s: using the existing export", inside)
        return Exported(inside, folder)
    # Imported here, because importing torch and ESPnet takes many seconds.
    from espnet_plugin.export.derive import ExportOptions, export_model
    from espnet_plugin.export.streaming.derive import export_streaming
    from espnet_plugin.export.streaming.source import is_streaming

    if is_streaming(folder):
        return Exported(export_streaming(folder), folder)
    return Exported(export_model(folder, ExportOptions()), folder)
