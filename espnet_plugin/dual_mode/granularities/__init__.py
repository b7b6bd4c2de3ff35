"""What the masks may switch off: heads, units, channels, front end, or blocks.

A new granularity is a module in this folder that registers itself (see
``registry.py``), with groups of its own if those of ``groups.py`` do not serve.
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

# In the order in which messages name them; then those of modules that came later.
_FIRST = ("structured", "blocks")
for _name in (*_FIRST, *(module.name for module in iter_modules(__path__))):
    import_module(f"{__name__}.{_name}")
