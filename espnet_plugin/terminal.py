"""What commands write to the terminal: their own lines, warnings and errors.

ESPnet logs the model, the optimiser and the figures of every few batches. In a terminal
they hide what a user looks for, so they are only in the log file of a training.
"""

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

__all__ = ["LOG_ONLY", "filter_terminal", "logged_in"]

_OWN = f"{Path(__file__).parent}/"

# ``logging.info(..., extra=LOG_ONLY)``: a line of this plugin for the log file only.
LOG_ONLY = {"log_only": True}


def filter_terminal() -> None:
    """Hide the information of other packages from standard output and error.

    What is left are the messages of this plugin, and all warnings and errors.
    """
    for handler in logging.getLogger().handlers:
        if getattr(handler, "stream", None) in (sys.stdout, sys.stderr):
            handler.addFilter(_is_for_terminal)


def _is_for_terminal(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.WARNING:
        return True
    return record.pathname.startswith(_OWN) and not getattr(record, "log_only", False)


@contextmanager
def logged_in(file: Path) -> Iterator[None]:
    """Write all messages to a log file as well.

    Args:
        file: The log file; messages are added at its end.
    """
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
