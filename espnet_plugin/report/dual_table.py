"""The table of recognisers with two modes: one line for both modes of a training."""

from dataclasses import dataclass, replace
from typing import Optional

from espnet_plugin.report.caution import busy_caution
from espnet_plugin.report.plots.series import without_mode
from espnet_plugin.report.table import Line, Table, metric_table
from espnet_plugin.results.cell_text import NONE, NOT_KNOWN, with_interval
from espnet_plugin.results.group import Group
from espnet_plugin.results.metric import DUAL, Metric
from espnet_plugin.results.results import Results

__all__ = ["dual_mode_table"]

_HEADER = (
    "training",
    "layers",
    "full-context WER % [95 %]",
    "streaming WER % [95 %]",
    "seeds",
)
_NOTES = """\
Each line is one training, mean over seeds, with the two recognisers that it
produced."""


@dataclass(frozen=True)
class _Training:
    """The recognisers of one training; a mode may be missing."""

    full: Optional[Group] = None
    streaming: Optional[Group] = None

    @property
    def one(self) -> Group:
        return self.streaming or self.full


def dual_mode_table(results: Results) -> Optional[Table]:
    """Return the table, or None if no row has a mode."""
    modes: dict[tuple[str, str, int], dict[str, Group]] = {}
    for group in results.groups:
        if group.mode:
            name = without_mode(group.variant, group.mode)
            key = group.method, name, group.layers
            modes.setdefault(key, {})[group.mode] = group
    if not modes:
        return None
    lines = [
        _line(f"{method} {name}".strip(), _Training(**groups))
        for (method, name, _), groups in modes.items()
    ]
    table = metric_table(DUAL, (_HEADER, ()), lines, (_NOTES, ""), pick=_pick)
    return replace(
        table, caution=busy_caution(one for one in results.groups if one.mode)
    )


def _line(name: str, training: _Training) -> Line:
    one = training.one
    first = [
        name,
        str(one.layers),
        _wer(training.full),
        _wer(training.streaming),
        " ".join(map(str, one.seeds)),
    ]
    return Line(first, training)


def _pick(training: _Training, metric: Metric) -> Optional[Group]:
    """Return the training for costs, and the streaming model for other metrics."""
    return training.one if metric.is_cost else training.streaming


def _wer(group: Optional[Group]) -> str:
    if group is None:
        return NONE
    if group.error_rate is None:
        return NOT_KNOWN
    shown = with_interval(group.error_rate, group.error_interval)
    return f"{shown} (CER)" if group.by_character else shown
