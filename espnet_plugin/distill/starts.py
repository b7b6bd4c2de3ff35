"""Names of initial weights of a student; without torch, for options of recipes."""

__all__ = ["INITS", "SHAPE_INITS"]

# Random weights, or the layers of the reference that are copied. The first is the
# default, also of the recipes.
INITS = ("random", "first", "last", "spaced")

# For a student with its own width. auto: first if the layers can be cut, else random.
SHAPE_INITS = ("auto", *INITS)
