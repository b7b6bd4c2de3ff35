"""Handling of Ctrl-C, SIGTERM and SIGHUP while commands of a stage run."""

import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import Iterator, Optional

__all__ = ["Interrupts", "Stopped"]


_HANDED_ON = (signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal has stopped the recipe.

    Attributes:
        status: The exit status for this: 128 plus the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class Interrupts:
    """Records signals while commands run, so that the commands can end cleanly first.

    A terminal also sends Ctrl-C to the commands, so this process only waits for them.
    SIGTERM and SIGHUP may reach this process alone, so it sends SIGTERM to the
    commands.
    """

    def __init__(self) -> None:
        self._noted: Optional[int] = None
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    @contextmanager
    def recording_signals(self) -> Iterator[None]:
        """Record signals inside the context instead of ending the process.

        Signals that were ignored before are still ignored, as ``nohup`` and background
        jobs of shells require.
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
        """Stop if a signal was received.

        Raises:
            Stopped: If a signal was received.
        """
        if self._noted is not None:
            raise Stopped(self._noted)

    def run(self, words: list[str], **options) -> int:
        """Run a command and return its exit status as a shell would.

        Args:
            words: The command.
            options: Options of ``subprocess.Popen``.

        Raises:
            Stopped: If a signal was received before or during the command.
            OSError: If the command cannot be started.
        """
        with self._lock:
            self.check()
            process = subprocess.Popen(words, **options)
            self._running.add(process)
            if self._noted in _HANDED_ON:  # received in the meantime
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
