"""Suppress or explain lines of ESPnet that look like errors but are none.

There are two. ESPnet prints a line to standard error if the package ``flash_attn``,
which is not used here, is not installed. And it warns that a model trained only with
CTC has no attention decoder, which is intended. All other lines are kept.
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

# Harmless warnings, and why they are harmless.
HARMLESS_WARNINGS = {
    "Set decoder to none as ctc_weight==1.0": "as it should be: a CTC model has none",
}


class _Loader(importlib.abc.Loader):
    """Loads a module normally, without one of the lines that it prints."""

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
    """Suppress the line on Flash Attention when ESPnet's attention module is imported.

    The line is kept if ``flash_attn`` is installed but cannot be imported. Safe to call
    twice.
    """
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def add_log_filter() -> None:
    """Log ``HARMLESS_WARNINGS`` as information, with the reason, in all handlers."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(_explain)


def _explain(record: logging.LogRecord) -> bool:
    if record.levelno == logging.WARNING and isinstance(record.msg, str):
        why = HARMLESS_WARNINGS.get(record.msg)
        if why is not None:
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg = f"{record.msg} ({why})"
    return True
