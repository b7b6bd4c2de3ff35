"""The data of the page's chart as one JSON: axes, series, points and their facts."""

from typing import Any, Sequence

from espnet_plugin.report.chart_axes import axes_across, axes_upwards, group_columns
from espnet_plugin.report.plots.choice import Choice, choose
from espnet_plugin.report.table import time_unit
from espnet_plugin.results.group import Group
from espnet_plugin.results.metric import TIME
from espnet_plugin.results.results import Results
from espnet_plugin.results.size import size_text
from espnet_plugin.shape import largest_first

__all__ = ["chart_data"]


def chart_data(results: Results, rivals: Sequence[str] = ()) -> dict[str, Any]:
    """Collect what can be drawn; ``points`` is empty if no row has a score.

    Args:
        results: The results to report.
        rivals: Rivals that are shown initially, see `choose`.

    Raises:
        UserError: If a rival does not exist.
    """
    groups = [group for group in results.groups if group.test_wer is not None]
    if not groups:
        return {"points": []}
    choice = choose(groups, rivals)
    series = (*choice.shown, *choice.others)
    series_of = {id(group): n for n, one in enumerate(series) for group in one.groups}
    headers, facts = _facts(groups, results.set_name)
    return {
        "across": [
            {
                "name": one.name,
                "label": one.label,
                "front": one.less_is_better,
                "caution": one.caution,
                "values": [_short(value) for value in one.values],
            }
            for one in axes_across(groups)
        ],
        "upwards": [
            {
                "name": one.name,
                "label": one.label,
                "values": [_short(value) for value in one.values],
                "intervals": [
                    [_short(end) for end in ends] if ends else None
                    for ends in one.intervals
                ],
            }
            for one in axes_upwards(groups, results.set_name)
        ],
        "series": [_series(choice, number) for number in range(len(series))],
        "headers": headers,
        "shapes": [str(one) for one in largest_first({g.shape for g in groups})],
        "points": [
            {
                "series": series_of[id(group)],
                "name": group.name + group.retained.mark,
                "size": size_text(group.layers, group.shape),
                "shape": str(group.shape),
                "mark": series[series_of[id(group)]].mark(group),
                "mode": group.mode,
                "seeds": [row.identity.seed for row in group.scored],
                "facts": cells,
            }
            for group, cells in zip(groups, facts)
        ],
        "rule": choice.rule,
    }


def _series(choice: Choice, number: int) -> dict[str, Any]:
    one = (*choice.shown, *choice.others)[number]
    colour, marker = choice.styles[one.key]
    return {
        "name": " ".join(one.key).strip(),
        "seeds": one.scored,
        "colour": colour,
        "marker": marker,
        "filled": one.is_family,
        "shown": number < len(choice.shown),
    }


def _facts(groups: Sequence[Group], set_name: str) -> tuple[list[str], list[list]]:
    """Return headers, and each group's cells as the tables write them.

    A cell without a digit holds no information and becomes None.
    """
    unit_name, seconds = time_unit(groups)
    headers, columns = [], []
    for metric, column in group_columns(any(group.mode for group in groups)):
        unit = seconds if column.unit == TIME else column.unit
        cells = [column.write(group, metric.name, unit) for group in groups]
        known = [cell if any(c.isdigit() for c in cell) else None for cell in cells]
        if any(known):
            header = column.header.replace("{time}", unit_name)
            headers.append(header.replace("test", set_name))
            columns.append(known)
    return headers, [list(cells) for cells in zip(*columns)]


def _short(value: Any) -> Any:
    """Round a float to six significant digits, which is enough for a reader."""
    return None if value is None else float(f"{value:.6g}")
