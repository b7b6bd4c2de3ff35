"""SIGTERM and SIGHUP stop the running jobs before the program ends, as Ctrl-C does."""

import logging
import signal
import threading
from contextlib import contextmanager
from typing import Iterator

__all__ = ["ended_by_signals"]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class _Ended(SystemExit):
    """A signal asked for the end; its code is 128 and the signal's number."""


def _end(number: int, frame: object) -> None:
    # What is stopped now takes its time, and a second signal would leave it half done.
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise _Ended(128 + number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Leave by an exception when SIGTERM or SIGHUP comes, so that ``finally`` is done.

    What was ignored before stays so, as ``nohup`` asks for. In another thread than the
    main one, which gets no signals, nothing changes.

    Raises:
        SystemExit: With 128 and the signal's number, if one came.
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
