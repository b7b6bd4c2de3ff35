"""Use of onnxruntime, which only exports need."""

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np

from espnet_plugin.errors import UserError

__all__ = ["OnnxModel", "check_packages", "is_installed", "quiet_environment"]


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def check_packages(*packages: str) -> None:
    """Refuse to start without the packages that an export needs.

    Raises:
        UserError: Naming what is missing or cannot be imported, and how to install it.
    """
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        raise UserError(
            f"{' and '.join(missing)} must be installed to export a model or to use an "
            "export: pip install '.[device]' in this plugin's folder"
        )
    for package in packages:
        try:
            importlib.import_module(package)
        except (ImportError, OSError) as error:
            raise UserError(
                f"{package} is installed, but cannot be imported ({error}): install it "
                "again, or make the environment again"
            ) from error


class OnnxModel:
    """A file in onnxruntime on the CPU.

    Args:
        path: The file.
        threads: Within an operation.

    Raises:
        UserError: If onnxruntime cannot load the file.
    """

    def __init__(self, path: Path, threads: int = 1):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._path = path
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its types have no common base but this one
            raise UserError(
                f"{path} is no model that onnxruntime can load ({error}): name another "
                "file, copy the whole folder again, or export the model again"
            ) from error

    def check_inputs(self, names: Sequence[str]) -> None:
        """Check that the model takes certain inputs, in this order.

        Raises:
            UserError: Naming those that it takes.
        """
        takes = [one.name for one in self._session.get_inputs()]
        if takes != list(names):
            raise UserError(
                f"{self._path} takes {', '.join(takes)}, not {', '.join(names)}: it is "
                "a model of another kind; name another file, or export the model again"
            )

    @property
    def size(self) -> Optional[int]:
        """Length of the first input; None if it takes any length."""
        size = self._session.get_inputs()[0].shape[1]
        return size if isinstance(size, int) else None

    @property
    def said(self) -> dict[str, str]:
        """The properties in the file."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, feed: Mapping[str, np.ndarray]) -> Sequence[Any]:
        """Return all outputs."""
        return self._session.run(None, dict(feed))


def quiet_environment(**more: str) -> dict[str, str]:
    """Return the environment for a runner that is tried: one thread, and UTF-8."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "UTF-8", **more}
