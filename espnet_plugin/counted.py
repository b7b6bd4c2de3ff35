"""Numbers of things in messages."""

__all__ = ["counted"]


def counted(number: int, thing: str) -> str:
    """Return a number with a noun: ``1 utterance``, ``2 utterances``.

    Args:
        number: How many.
        thing: The noun in the singular; its plural must end with s.
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
