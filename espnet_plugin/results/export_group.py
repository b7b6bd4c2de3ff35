"""One exported file, over the seeds of a model."""

from dataclasses import dataclass
from functools import cached_property
from typing import Mapping, Optional

import numpy as np

from espnet_plugin.experiment.exported import ExportedFile
from espnet_plugin.results import metrics
from espnet_plugin.results.group import Group
from espnet_plugin.results.retained import Retained, retained_of
from espnet_plugin.results.row import Interval, Row
from espnet_plugin.score.bootstrap import bootstrap_interval

__all__ = ["WER_INTERVAL", "ExportGroup", "export_groups"]

WER_INTERVAL = "export_wer_ci95"


@dataclass(frozen=True)
class _Member:
    """One exported file, from which metrics of the source ``export.`` are read."""

    row: Row
    export: ExportedFile


@dataclass(frozen=True)
class ExportGroup:
    """The exported files with the same name and target, for the seeds of a model.

    Attributes:
        group: The models.
        target: The runtime that they were exported for.
        file: Name of the file.
        members: The file of each seed that has one.
    """

    group: Group
    target: str
    file: str
    members: tuple[_Member, ...]

    @property
    def label(self) -> str:
        """Name of the file in a sentence."""
        return f"{self.group.label}, {self.target} {self.file}"

    @property
    def retained(self) -> Retained:
        """The parts taken from an earlier results.json."""
        return retained_of([one.row for one in self.members], {})

    def mean(self, name: str) -> Optional[float]:
        """Return a metric averaged over seeds; None if no seed has it."""
        metric = metrics.find_metric(name)
        known = [v for v in map(metric.of, self.members) if v is not None]
        return metric.average(known) if known else None

    @cached_property
    def intervals(self) -> Mapping[str, Optional[Interval]]:
        """The 95 % interval of the mean word error rate, in percent.

        With several seeds, errors are averaged over seeds for each utterance, see
        `group_rows`; None if the utterances differ.
        """
        scored = [one.export for one in self.members if one.export.wer is not None]
        if len(scored) == 1:
            low, high = scored[0].wer_ci95
            return {WER_INTERVAL: (low, high)}
        units = {one.words_by_unit for one in scored}
        if len(units) != 1 or () in units:
            return {WER_INTERVAL: None}
        errors = np.array([one.errors_by_unit for one in scored], dtype=float)
        lengths = np.array(units.pop(), dtype=float)
        return {WER_INTERVAL: bootstrap_interval(errors.mean(axis=0), lengths)}


def export_groups(group: Group) -> tuple[ExportGroup, ...]:
    """Return the exported files of a group's models, in their order."""
    members: dict[tuple[str, str], list[_Member]] = {}
    for row in group.rows:
        for one in row.exports:
            members.setdefault((one.target, one.file), []).append(_Member(row, one))
    return tuple(
        ExportGroup(group, target, file, tuple(found))
        for (target, file), found in members.items()
    )
