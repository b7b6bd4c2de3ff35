"""The table of exported files: one line per file, with means over seeds."""

from typing import Optional

from espnet_plugin.report.table import Line, Table, metric_table
from espnet_plugin.results.export_group import export_groups
from espnet_plugin.results.metric import DEVICE
from espnet_plugin.results.results import Results
from espnet_plugin.results.size import size_text

__all__ = ["device_table"]

_HEADER = ("method", "variant", "layers", "exported for", "file", "seed")
_NOTES = """\
Files that stage 10 wrote and measured, mean over seeds; the tables of quality and cost
show the checkpoints of the same models."""
_THREADS = """\
 Times were measured with {threads} on {cpu}."""


def device_table(results: Results) -> Optional[Table]:
    """Return the table, or None if no model was exported."""
    files = [one for group in results.groups for one in export_groups(group)]
    if not files:
        return None
    lines = [
        Line(
            [
                one.group.method,
                one.group.variant or "-",
                size_text(one.group.layers, one.group.shape) + one.retained.mark,
                one.target,
                one.file,
                " ".join(str(member.row.identity.seed) for member in one.members),
            ],
            one,
        )
        for one in files
    ]
    measured = [m.export for one in files for m in one.members if m.export.cpu]
    where = ""
    if measured:
        counts = sorted({one.threads for one in measured})
        number = " or ".join(map(str, counts))
        where = _THREADS.format(
            threads=f"{number} thread{'' if counts == [1] else 's'}",
            cpu=" and ".join(sorted({one.cpu for one in measured})),
        )
    return metric_table(DEVICE, (_HEADER, ()), lines, (_NOTES, where))
