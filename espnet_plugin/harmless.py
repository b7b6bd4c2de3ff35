"""Suppress or explain lines of ESPnet that look like errors but are none.

There are three. ESPnet prints a line to standard error if the package ``flash_attn``,
which is not used here, is not installed. It warns that a model trained only with CTC
has no attention decoder, which is intended, and then after each epoch that the
decoder's figures are missing.

A fourth one is only long: the command line, which a training prints first. It is in
``request.json`` of the experiment folder. All other lines are kept.
"""

import contextlib
import importlib.abc
import importlib.machinery
import io
import logging
import sys
import warnings
from types import ModuleType
from typing import Any, Iterator, Optional, TextIO

__all__ = [
    "HARMLESS_WARNINGS",
    "add_log_filter",
    "ignore_missing_figures",
    "quiet_attention_import",
    "without_command_line",
]

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


def ignore_missing_figures() -> None:
    """Ignore ESPnet's warning that a figure has no value in any batch of an epoch.

    For a CTC model that is each figure of the attention decoder. A missing figure by
    which epochs are chosen is an error (:mod:`espnet_plugin.tasks.criteria`).
    """
    warnings.filterwarnings(
        "ignore", "No valid stats found", UserWarning, r"espnet2\.train\.reporter"
    )


def _explain(record: logging.LogRecord) -> bool:
    if record.levelno == logging.WARNING and isinstance(record.msg, str):
        why = HARMLESS_WARNINGS.get(record.msg)
        if why is not None:
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg = f"{record.msg} ({why})"
    return True


class _WithoutLine:
    """A stream that leaves out one line the first time that it is printed."""

    def __init__(self, stream: TextIO, line: str) -> None:
        # print writes the line and its end separately
        self._stream, self._left = stream, [line, "\n"]

    def write(self, text: str) -> int:
        if self._left and text == self._left[0]:
            self._left.pop(0)
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def without_command_line(line: str) -> Iterator[None]:
    """Leave out the command line that ESPnet's ``main`` prints first.

    Args:
        line: The line, from ``espnet2.legacy.utils.cli_utils.get_commandline_args``.
    """
    with contextlib.redirect_stderr(_WithoutLine(sys.stderr, line)):
        yield
