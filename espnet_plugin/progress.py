"""Log the progress of long work, with the time left."""

import logging
import time
from typing import Iterable, Iterator, Optional, TypeVar

__all__ = ["duration", "progress"]

Item = TypeVar("Item")


def progress(
    items: Iterable[Item],
    total: int,
    what: str,
    every_s: float = 10.0,
    clock=time.monotonic,
    logger: Optional[logging.Logger] = None,
) -> Iterator[Item]:
    """Yield ``items`` and log how many are done and how long the rest will take.

    Args:
        items: The items to yield.
        total: Number of items.
        what: The plural noun for the log, e.g. ``"utterances of train"``.
        every_s: Seconds between two lines; short work only logs its last line.
        clock: Monotonic clock in seconds; tests replace it.
        logger: The logger; that of this module by default.
    """
    logger = logger or logging.getLogger(__name__)
    start = last = clock()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = clock()
        if now - last >= every_s and done < total:
            last = now
            left = (now - start) / done * (total - done)
            logger.info("%d of %d %s, %s left", done, total, what, duration(left))
    logger.info("%d %s in %s", done, what, duration(clock() - start))


def duration(seconds: float) -> str:
    """Return a duration in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
