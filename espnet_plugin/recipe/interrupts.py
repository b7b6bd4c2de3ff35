"""Ctrl-C, SIGTERM and SIGHUP while commands of a stage run."""

import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import Iterator, Optional

__all__ = ["Interrupts", "Stopped"]


_HANDED_ON = (signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked for the end.

    Attributes:
        status: The exit status that says so: 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class Interrupts:
    """Notes signals while commands run, so that they can end in their own way first.

    A terminal sends Ctrl-C to the commands as well, so they are only waited for.
    SIGTERM and SIGHUP may come to one process alone: the commands get SIGTERM.
    """

    def __init__(self) -> None:
        self._noted: Optional[int] = None
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note signals from here on instead of dying of them.

        What was ignored before stays so: ``nohup`` and shells in the background ask for
        that.
        """
        before = {}
        for number in (signal.SIGINT, *_HANDED_ON):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Stop if a signal came.

        Raises:
            Stopped: If so.
        """
        if self._noted is not None:
            raise Stopped(self._noted)

    def run(self, words: list[str], **options) -> int:
        """Run a command to its end; return its exit status as a shell gives it.

        Args:
            words: The command.
            options: Options of ``subprocess.Popen``.

        Raises:
            Stopped: If a signal came, before or meanwhile.
            OSError: If the command cannot be started.
        """
        with self._lock:
            self.check()
            process = subprocess.Popen(words, **options)
            self._running.add(process)
            if self._noted in _HANDED_ON:  # meanwhile
                process.terminate()
        try:
            status = process.wait()
        finally:
            self._running.discard(process)
        self.check()
        return status if status >= 0 else 128 - status

    def _note(self, number: int, frame: object) -> None:
        if self._noted is None:
            self._noted = number
        if number in _HANDED_ON:
            for process in tuple(self._running):
                process.terminate()
