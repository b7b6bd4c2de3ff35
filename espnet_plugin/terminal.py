"""What a training writes to the terminal: its own lines, warnings and errors.

ESPnet logs the model, the optimiser and the figures of every few batches. In a terminal
they hide what a user looks for, so they are only in a log file.
"""

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

__all__ = ["LOG_ONLY", "logged_in"]

_OWN = f"{Path(__file__).parent}/"

# ``logging.info(..., extra=LOG_ONLY)``: a line of this plugin for the log file only.
LOG_ONLY = {"log_only": True}


@contextmanager
def logged_in(file: Path) -> Iterator[None]:
    """Write all messages to ``file`` too, and only the important ones to the terminal.

    The terminal shows the messages of this plugin, and all warnings and errors.

    Args:
        file: The log file; messages are added at its end.
    """
    root = logging.getLogger()
    shown = [one for one in root.handlers if _is_terminal(one)]
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for one in shown:
        one.addFilter(_is_for_terminal)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        for one in shown:
            one.removeFilter(_is_for_terminal)


def _is_terminal(handler: logging.Handler) -> bool:
    return getattr(handler, "stream", None) in (sys.stdout, sys.stderr)


def _is_for_terminal(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.WARNING:
        return True
    return record.pathname.startswith(_OWN) and not getattr(record, "log_only", False)
