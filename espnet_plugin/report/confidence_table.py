"""The table of how well models' confidence predicts correct words."""

from typing import Optional

from espnet_plugin.report.table import Line, Table, metric_table
from espnet_plugin.results.metric import CONFIDENCE
from espnet_plugin.results.results import Results
from espnet_plugin.results.size import size_text

__all__ = ["confidence_table"]

_HEADER = ("method", "variant", "layers", "seeds")
_NOTES = """\
Models with calibrated confidence (`python -m espnet_plugin.bin.confidence`); mean over
the seeds that were calibrated."""


def confidence_table(results: Results) -> Optional[Table]:
    """Return the table, or None if no model has a calibration."""
    groups = [one for one in results.groups if one.mean("dev_ece") is not None]
    if not groups:
        return None
    lines = [
        Line(
            [
                group.method,
                group.variant or "-",
                size_text(group.layers, group.shape) + group.retained.mark,
                str(len(group.values("dev_ece"))),
            ],
            group,
        )
        for group in groups
    ]
    return metric_table(CONFIDENCE, (_HEADER, ()), lines, (_NOTES, ""))
