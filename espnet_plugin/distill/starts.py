"""Where a student may start from; without torch, for the options of recipes."""

__all__ = ["INITS", "SHAPE_INITS"]

# Weights by chance, or which of the reference's layers are copied.
# The first is the default, also of the recipes.
INITS = ("random", "first", "last", "spaced")

# Of a student with a width of its own. auto: first where they can be cut, else random.
SHAPE_INITS = ("auto", *INITS)
