"""Temporary changes of attributes of modules."""

from contextlib import contextmanager
from typing import Any, Iterator

__all__ = ["set_for_now"]

_ABSENT = object()


@contextmanager
def set_for_now(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute inside the context and restore it afterwards."""
    before = getattr(owner, name, _ABSENT)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
