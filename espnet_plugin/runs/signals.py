"""Stop the running jobs on SIGTERM and SIGHUP, as on Ctrl-C."""

import logging
import signal
import threading
from contextlib import contextmanager
from typing import Iterator

__all__ = ["ended_by_signals"]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class _Ended(SystemExit):
    """Raised by a signal; the exit code is 128 plus the number of the signal."""


def _end(number: int, frame: object) -> None:
    # Further signals are ignored, because they would interrupt the stopping of jobs.
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise _Ended(128 + number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise an exception on SIGTERM and SIGHUP, so that ``finally`` clauses run.

    Signals that were ignored before stay ignored, as ``nohup`` requires. In threads
    other than the main thread, which get no signals, nothing changes.

    Raises:
        SystemExit: With 128 plus the number of the signal, if one arrives.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in _ENDING}
    taken = [one for one, handler in before.items() if handler is not signal.SIG_IGN]
    for one in taken:
        signal.signal(one, _end)
    try:
        yield
    except _Ended:
        logging.error("interrupted; run the same command again to resume")
        raise
    finally:
        for one in taken:
            signal.signal(one, before[one])
