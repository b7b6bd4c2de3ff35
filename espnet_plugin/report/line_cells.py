"""The lines of a report's tables: one a method, variant and size, seeds joined."""

from typing import Any, Mapping

from espnet_plugin.errors import UserError
from espnet_plugin.report.cells import NOT_KNOWN
from espnet_plugin.results.aggregate import Group, group_rows
from espnet_plugin.results.size import size_text

__all__ = ["NAME_HEADER", "groups_of", "name_cells", "rtf_text"]

NAME_HEADER = ("method", "variant", "layers")


def groups_of(results: Mapping[str, Any]) -> list[Group]:
    """Return what has a line each.

    Raises:
        UserError: If there is no row.
    """
    if not results.get("rows"):
        raise UserError(
            "results.json has no row yet: train and score a model first (stages 4 to 7)"
        )
    return group_rows(results["rows"], results.get("shared", []))


def name_cells(group: Group) -> list[str]:
    """Write the cells that say which line it is."""
    layers = size_text(group.layers, group.size) + group.kept.mark
    return [group.method, group.variant or "-", layers]


def rtf_text(group: Group) -> str:
    """Write the real-time factor."""
    return NOT_KNOWN if group.encoder_rtf is None else f"{group.encoder_rtf:.3g}"
