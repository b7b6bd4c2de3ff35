"""The dry run of recipes whose stages are not estimated: the list of their stages.

It starts nothing. What it says follows from the stages themselves: what they need,
which stage makes that, and what they train.
"""

import textwrap
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.estimate.trainings import EpochTime, find_epoch_time
from espnet_plugin.recipe.stages.stage import Stage

__all__ = ["StageOf", "stage_lines"]

# A stage, and what it is run for.
StageOf = tuple[Stage[Any], Any]

_WIDTH = 92
_HEADER = "Dry run: nothing is started. The stages, and what of them is finished:"
_MEASURED = (
    "The times are those of the epochs of {folder} ({seconds:.3g} s each). Rows that "
    "differ in what they compute take longer or shorter."
)
_UNKNOWN = (
    "Times are not known before the first epoch of a training in this folder is "
    "finished: run this again then."
)
_NOT_INCLUDED = (
    "Not estimated: disk space, and the time of stages without trainings. Whether "
    "finished results are still up to date is checked when the stages run."
)


def stage_lines(
    stages: Sequence[StageOf], first: int, last: int, similar: Sequence[str]
) -> list[str]:
    """Return the lines of the list.

    Args:
        stages: All stages of the recipe, in their order; a stage that runs for several
            seeds is there several times.
        first: Number of the first chosen stage.
        last: Number of the last one.
        similar: Folders of trainings from which the time of an epoch may be taken.
    """
    chosen = [one for one in stages if first <= one[0].number <= last]
    planned = [
        training
        for stage, of in chosen
        if stage.applies(of)
        for training in stage.trainings(of)
    ]
    epoch = find_epoch_time([*(one.folder for one in planned), *similar])
    lines = [_HEADER]
    for stage, of in chosen:
        lines += _stage(stage, of, stages, first, epoch)
    if planned:
        words = _UNKNOWN
        if epoch is not None:
            words = _MEASURED.format(folder=epoch.folder, seconds=epoch.seconds)
        lines += textwrap.wrap(words, _WIDTH)
    return [*lines, *textwrap.wrap(_NOT_INCLUDED, _WIDTH)]


def _stage(
    stage: Stage[Any],
    of: Any,
    stages: Sequence[StageOf],
    first: int,
    epoch: Optional[EpochTime],
) -> list[str]:
    if not stage.applies(of):
        return [f"{stage.number:2d} {stage.name}: {stage.otherwise or 'nothing to do'}"]
    missing = [
        need
        for need in stage.needs(of)
        if need.stage < first and not Path(need.file).exists()
    ]
    trainings = stage.trainings(of)
    lines = [f"{stage.number:2d} {stage.name}{stage.detail(of)}"]
    if not trainings:
        lines[0] += _state(stage.number, stages)
    lines += [
        f"     {need.file} is missing: run stage {need.stage} first" for need in missing
    ]
    return [*lines, *(f"     {one.line(epoch)}" for one in trainings)]


def _state(number: int, stages: Sequence[StageOf]) -> str:
    """Return what later stages say of the results of a stage."""
    files = [
        need.file
        for stage, of in stages
        if stage.number > number and stage.applies(of)
        for need in stage.needs(of)
        if need.stage == number
    ]
    if not files:
        return ": will run; finished parts of it are skipped"
    return f": {'finished' if all(Path(f).exists() for f in files) else 'to do'}"
