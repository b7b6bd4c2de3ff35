"""Collect the results from the finished folders of an experiment.

Nothing is guessed: if the file of a figure does not exist, the figure is unknown, and
the file is named under ``missing`` in the row. The same applies to figures that are not
finite.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, Mapping, Optional, Union

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.results.curves import read_curve
from espnet_plugin.results.json_format import Entries, digest_of
from espnet_plugin.results.model_folder import (
    read_espnet_folder,
    read_model_folder,
    read_shared_folder,
)
from espnet_plugin.results.other_data import CurrentSets
from espnet_plugin.results.read_score import ScoreChoice
from espnet_plugin.results.row import Row, TestSet
from espnet_plugin.results.shared_run import Runs, SharedRun, chain_of, runs_by_name

__all__ = ["full_name", "gather"]

PathLike = Union[str, Path]
Entry = Union[Row, SharedRun]


def gather(folders: Iterable[PathLike], choice: ScoreChoice = ScoreChoice()) -> Entries:
    """Read model folders and EncRL folders, in any order.

    Folders of this plugin without meta.json (unfinished trainings) and folders without
    config.yaml are left out with a warning, and listed under "skipped". ESPnet's
    asr_stats* folders are ignored, and a folder given twice counts once.

    Args:
        folders: Experiment folders.
        choice: Which scores are used.

    Raises:
        UserError: If a folder does not exist, or two folders hold the same model.
    """
    rows: list[tuple[Path, Row]] = []
    shared: list[tuple[Path, SharedRun]] = []
    stored: dict[str, SharedRun] = {}
    skipped: list[str] = []
    test_sets: dict[str, TestSet] = {}
    current = None if choice.dump_dir is None else CurrentSets(choice.dump_dir)
    for folder in {Path(f).resolve(): Path(f) for f in folders}.values():
        if not folder.is_dir():
            raise UserError(
                f"{folder} is not a folder: give existing folders, e.g. exp/asr_*"
            )
        if Experiment(folder).is_statistics:
            # ESPnet's statistics are next to the models, so exp/asr_* includes them.
            continue
        read = _reader(folder)
        if read is None:
            one = Experiment(folder)
            has_config = one.config_file.exists()
            what = (one.meta_file if has_config else one.config_file).name
            logging.warning("%s has no %s: left out of the results", folder, what)
            skipped.append(folder.resolve().name)
        elif read is read_shared_folder:
            run, *caches = read_shared_folder(folder)
            shared.append((folder, run))
            stored.update((cache.name, cache) for cache in caches)
        else:
            row, names = read(folder, choice, current)
            if names is not None:
                key = digest_of(names)
                test_sets[key] = names
                row = replace(row, quality=replace(row.quality, test_set=key))
            rows.append((folder, row))
    if current is not None:
        current.save()
    for name, entry in [(row.identity.folder, row) for _, row in rows] + [
        (run.folder, run) for _, run in shared
    ]:
        if entry.missing:
            logging.warning("%s lacks %s", name, ", ".join(entry.missing))
    _refuse_twins(rows, lambda row: row.identity.row_key, _row_text)
    _refuse_twins(shared, lambda run: run.name, lambda run: run.name)
    return Entries(
        rows=tuple(_with_curve(folder, row, shared) for folder, row in rows),
        shared_runs=(*(run for _, run in shared), *stored.values()),
        skipped=tuple(skipped),
        test_sets=test_sets,
    )


def full_name(name: Optional[str], runs: Runs) -> Optional[str]:
    """Return the name of a run in ``runs``; a row may have it as a path."""
    if not name:
        return name
    name = Path(name).name
    return f"encrl_{name}" if name not in runs and f"encrl_{name}" in runs else name


def _reader(folder: Path) -> Optional[Callable]:
    experiment = Experiment(folder)
    meta = experiment.find_meta()
    if meta is not None:
        return read_shared_folder if meta.serves_models else read_model_folder
    # An unfinished folder of this plugin is not a model yet.
    if experiment.is_ours or not experiment.config_file.exists():
        return None
    return lambda folder, choice, _: read_espnet_folder(folder, choice)


def _with_curve(
    folder: Path, row: Row, shared: Iterable[tuple[Path, SharedRun]]
) -> Row:
    by_name: Mapping[str, tuple[Path, SharedRun]] = {one[1].name: one for one in shared}
    runs = runs_by_name(run for _, run in shared)
    chain = chain_of(full_name(row.identity.shared_run, runs), runs)
    before = [by_name[name] for name in reversed(chain) if name in by_name]
    return replace(row, curve=read_curve(folder, row, before))


def _row_text(row: Row) -> str:
    return f"{row.identity.label!r} with seed {row.identity.seed}"


def _refuse_twins(
    entries: Iterable[tuple[Path, Entry]], key_of: Callable, text_of: Callable
) -> None:
    seen: dict = {}
    for path, entry in entries:
        key = key_of(entry)
        if key in seen:
            raise UserError(
                f"{seen[key]} and {path} both describe {text_of(entry)}: give one of "
                "them a different variant or seed in its meta.json (or rename its "
                "folder if it has no meta.json), or give only one of the two (in a "
                "recipe, move a copy out of --expdir)"
            )
        seen[key] = path
