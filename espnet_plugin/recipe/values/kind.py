"""The interface of the types of options."""

from typing import Any, Protocol

__all__ = ["Kind", "split_values"]


class Kind(Protocol):
    """A type of option.

    Attributes:
        meta: Placeholder of the value in ``--help``, e.g. ``N``.
        optional: Whether the value may be empty.
    """

    meta: str
    optional: bool

    def read(self, given: str) -> Any:
        """Return the value that the text stands for.

        Raises:
            ValueError: With a clause that follows the option's name and value in the
                message, e.g. "must be a whole number from 1".
        """

    def limits(self) -> str:
        """Return the range for ``--help``, e.g. "from 1 to 10", or an empty text."""


def split_values(given: str) -> list[str]:
    """Return the values of a list, which are separated by spaces.

    Raises:
        ValueError: If they are separated by commas; with the right form.
    """
    if "," in given:
        values = " ".join(given.replace(",", " ").split())
        raise ValueError(f'several values are separated by spaces: "{values}"')
    return given.split()
