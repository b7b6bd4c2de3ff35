"""Lines of ESPnet that look like errors and are none: not printed, or said to be fine.

Nothing else is held back. ESPnet prints a line to standard error where the package
``flash_attn`` is not installed, which nothing here uses; and it warns that a model that
is trained by CTC alone has no attention decoder, which is what such a model is.
"""

import contextlib
import importlib.abc
import importlib.machinery
import io
import logging
import sys
from types import ModuleType
from typing import Any, Optional

__all__ = ["HARMLESS_WARNINGS", "add_log_filter", "quiet_attention_import"]

_ATTENTION = "espnet2.legacy.nets.pytorch_backend.transformer.attention"
_FLASH = "Failed to import Flash Attention"
_MISSING = "No module named 'flash_attn'"

# Beginnings of warnings, and what a reader should know.
HARMLESS_WARNINGS = {
    "Set decoder to none as ctc_weight==1.0": "as it should be: a CTC model has none",
}


class _Loader(importlib.abc.Loader):
    """Loads the module as ever, and prints all that it prints but one line."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(
        self, spec: importlib.machinery.ModuleSpec
    ) -> Optional[ModuleType]:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        errors = io.StringIO()
        try:
            with contextlib.redirect_stderr(errors):
                self._loader.exec_module(module)
        finally:
            for line in errors.getvalue().splitlines(keepends=True):
                if not (line.startswith(_FLASH) and _MISSING in line):
                    sys.stderr.write(line)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Any, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if name != _ATTENTION:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def quiet_attention_import() -> None:
    """Have ESPnet's module of attention imported without its line on Flash Attention.

    The line is kept where ``flash_attn`` is installed and cannot be imported. Safe to
    call twice.
    """
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def add_log_filter() -> None:
    """Turn ``HARMLESS_WARNINGS`` into information, with the reason, in every log."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_explain)


def _explain(record: logging.LogRecord) -> bool:
    if record.levelno == logging.WARNING and isinstance(record.msg, str):
        why = HARMLESS_WARNINGS.get(record.msg)
        if why is not None:
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg = f"{record.msg} ({why})"
    return True
