"""Format durations and other figures of an estimate."""

__all__ = ["hours_in_words", "significant"]


def significant(value: float) -> str:
    """Return a number with three significant digits, and without decimals from 100."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def hours_in_words(hours: float) -> str:
    """Return hours with a fitting unit, e.g. ``1.5 h`` or ``12 min``."""
    if hours >= 100:
        return f"{significant(hours / 24)} days"
    if hours >= 1:
        return f"{significant(hours)} h"
    if hours * 60 >= 1:
        return f"{significant(hours * 60)} min"
    return f"{significant(hours * 3600)} s" if hours else "0"
