"""Register classes with ESPnet when the first model is built.

When a command starts, it is not known whether it will build a model: a finished stage
builds none, and importing ESPnet takes many seconds. So a command registers a function
here, and ``load.py`` calls it.
"""

from typing import Callable

__all__ = ["register_later", "register_waiting"]

_waiting: list[Callable[[], None]] = []


def register_later(register: Callable[[], None]) -> None:
    """Call ``register`` once, before the next model is built."""
    if register not in _waiting:
        _waiting.append(register)


def register_waiting() -> None:
    """Call the functions given to :func:`register_later`."""
    while _waiting:
        _waiting.pop(0)()
