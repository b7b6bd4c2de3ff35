"""The exception that this plugin raises for errors that its user can correct."""

__all__ = ["UserError"]


class UserError(ValueError):
    """A wrong option or file. The message names it, its value and the way out.

    The commands in ``espnet_plugin.bin`` print it as one line, without a traceback,
    and exit with status 2.
    """
