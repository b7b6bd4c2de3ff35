"""Types of a recipe's options: what a value may be, and how it is read.

Each is a :class:`~espnet_plugin.recipe.values.kind.Kind`.
"""
