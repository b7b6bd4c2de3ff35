"""Where a student may start from; without torch, for the options of recipes."""

__all__ = ["INITS"]

# Weights by chance, or which of the reference's layers are copied.
INITS = ("random", "first", "last", "spaced")
