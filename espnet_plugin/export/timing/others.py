"""Measure the processor use of other programs during a measurement."""

import os
import time
from pathlib import Path
from typing import Optional

__all__ = ["OtherWork"]

_STAT = Path("/proc/stat")


class OtherWork:
    """Measures processor use since its creation; see :meth:`cores`."""

    def __init__(self):
        self._start = time.perf_counter(), _busy_seconds(), _own_seconds()

    def cores(self) -> Optional[float]:
        """Return the average number of processor cores that other programs used.

        Others are all programs except this one and its child processes that have ended.
        None if it cannot be measured; it needs Linux's ``/proc``.
        """
        begun, busy, own = self._start
        busy_now = _busy_seconds()
        if busy is None or busy_now is None:
            return None
        others = (busy_now - busy) - (_own_seconds() - own)
        return max(0.0, others / (time.perf_counter() - begun))


def _busy_seconds() -> Optional[float]:
    """Return processor seconds of all programs since the system started."""
    try:
        numbers = _STAT.read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft = map(int, numbers[:7])
    ticks = user + nice + system + interrupts + soft
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    times = os.times()
    return sum(times[:4])
