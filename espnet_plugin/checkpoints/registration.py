"""Registering classes with ESPnet no earlier than the first model is built.

A command does not know at its start whether it will build a model: a stage that is
finished builds none, and importing ESPnet takes many seconds. So it leaves here what
has to be called first, and ``load.py`` calls it.
"""

from typing import Callable

__all__ = ["register_later", "register_waiting"]

_waiting: list[Callable[[], None]] = []


def register_later(register: Callable[[], None]) -> None:
    """Have ``register`` called once, before the next model is built."""
    if register not in _waiting:
        _waiting.append(register)


def register_waiting() -> None:
    """Call what waits."""
    while _waiting:
        _waiting.pop(0)()
