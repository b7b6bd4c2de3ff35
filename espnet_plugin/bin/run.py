"""Logging and error messages of all commands."""

import errno
import importlib.util
import logging
import os
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from espnet_plugin import host
from espnet_plugin.checkpoints.registration import register_later
from espnet_plugin.errors import UserError
from espnet_plugin.harmless import add_log_filter, ignore_missing_figures
from espnet_plugin.terminal import filter_terminal

__all__ = ["LOG_FOLDER", "run_command"]

# Environment variable with the folder for logs with tracebacks, which recipes set.
LOG_FOLDER = "ESPNET_PLUGIN_LOGS"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def run_command(work: Callable[[], None]) -> int:
    """Run ``work``; report a mistake of the user in one line with exit status 2.

    Unexpected errors are also reported in one line, with the file that has the
    traceback, and exit status 1. If standard output is a pipe that was closed (``|
    head``), the command ends without a message, like other programs.

    This plugin's classes are registered with ESPnet when a model is built.
    """
    register_later(host.register)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    add_log_filter()
    filter_terminal()
    ignore_missing_figures()
    try:
        with _no_tracebacks():
            work()
        sys.stdout.flush()
    except UserError as error:
        logging.error("%s", error)
        return 2
    except KeyboardInterrupt:
        logging.error("interrupted; run the same command again to resume")
        return 130
    except BrokenPipeError as error:
        if not _reader_is_gone():
            logging.error("%s", _unexpected(error))
            return 1
        return 128 + signal.SIGPIPE  # as other programs in a pipe to head or less
    except OSError as error:
        logging.error("%s", _of_the_system(error) or _unexpected(error))
        return 2 if _of_the_system(error) else 1
    except ModuleNotFoundError as error:
        logging.error("%s", _lacking(error) or _unexpected(error))
        return 2 if _lacking(error) else 1
    except Exception as error:
        logging.error("%s", _unexpected(error))
        return 1
    return 0


@contextmanager
def _no_tracebacks() -> Iterator[None]:
    """Hide tracebacks that ``work`` does not raise itself.

    If the disk is full, Python prints a traceback for each writer with its own thread
    (TensorBoard's) and for each log file that cannot be written.
    """
    hook, loud = threading.excepthook, logging.raiseExceptions
    threading.excepthook, logging.raiseExceptions = _in_a_thread, False
    try:
        yield
    finally:
        threading.excepthook, logging.raiseExceptions = hook, loud


def _in_a_thread(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value
    if isinstance(error, OSError) and _of_the_system(error):
        logging.warning("%s", _of_the_system(error))
    elif isinstance(error, Exception):
        logging.error("%s", _unexpected(error))


def _reader_is_gone() -> bool:
    """Return whether standard output was closed; then nothing is written to it."""
    output = sys.stdout.fileno()
    watch = select.poll()
    watch.register(output, 0)
    if not any(event & select.POLLERR for _, event in watch.poll(0)):
        return False
    # The rest of the buffer would raise the error again when the process ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)
    return True


def _of_the_system(error: OSError) -> str:
    """Return what to do about a full or read-only disk; empty for other errors."""
    where = error.filename or "a file"
    if error.errno in _FULL:
        return (
            f"cannot write {where}: {error.strerror}. Free some space, then run the "
            "same command again: it resumes from what is complete"
        )
    if error.errno in _NOT_OURS:
        return (
            f"cannot use {where}: {error.strerror}. Change its permissions, or give "
            "another folder"
        )
    return ""


def _lacking(error: ModuleNotFoundError) -> str:
    """Return what to do if a package is missing; empty if it is a part of this one."""
    package = (error.name or "").partition(".")[0]
    if not package or package == __package__.partition(".")[0]:
        return ""
    if package != error.name and _is_there(package):  # but a part of it is not
        return (
            f"the package {package} of this Python ({sys.executable}) lacks "
            f"{error.name}: install it again, in the version of constraints.txt"
        )
    return (
        f"this Python ({sys.executable}) has no package {package}: activate your "
        "ESPnet environment, or the one that make demo has made (. .venv/bin/activate)"
    )


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _unexpected(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    try:
        log = _write_traceback(error)
    except OSError:  # the folder is not writable either
        traceback.print_exception(error)
        return f"unexpected {what}"
    return (
        f"unexpected {what}. This is probably a bug in this plugin. The traceback is "
        f"in {log}; please report the bug with that file"
    )


def _write_traceback(error: Exception) -> Path:
    folder = Path(os.environ.get(LOG_FOLDER) or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    name = f"error_{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}.log"
    with open(folder / name, "w", encoding="utf-8") as stream:
        stream.write(f"{sys.argv}\n")
        traceback.print_exception(error, file=stream)
    return folder / name
