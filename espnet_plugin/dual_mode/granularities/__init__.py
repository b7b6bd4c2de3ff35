"""What the masks may switch off: heads, units, channels, front end, or blocks.

A new granularity is a module in this folder that registers itself (see
``registry.py``), with its own class of groups if those of ``groups.py`` do not fit.
"""

from importlib import import_module
from pkgutil import iter_modules

from espnet_plugin.dual_mode.granularities.registry import (
    GRANULARITIES,
    Granularity,
    find_groups,
    granularity,
)

__all__ = ["GRANULARITIES", "Granularity", "find_groups", "granularity"]

# The first ones in messages; other modules follow.
_FIRST = ("structured", "blocks")
for _name in (*_FIRST, *(module.name for module in iter_modules(__path__))):
    import_module(f"{__name__}.{_name}")
