"""What each type of an option can do."""

from typing import Any, Protocol

__all__ = ["Kind"]


class Kind(Protocol):
    """What the value of an option may be.

    Attributes:
        meta: What stands for the value in ``--help``.
        optional: Whether it may be empty.
    """

    meta: str
    optional: bool

    def read(self, given: str) -> Any:
        """Return the value.

        Raises:
            ValueError: Saying what it should have been.
        """

    def limits(self) -> str:
        """Return what ``--help`` says of the values, perhaps nothing."""
