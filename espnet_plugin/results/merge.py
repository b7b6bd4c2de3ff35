"""Merge gathered results into a new or existing ``results.json``."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Iterable, Mapping, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DECODE_PREFIX, ORIGINAL, find_scored
from espnet_plugin.files import read_json, write_json
from espnet_plugin.results.gather import full_name, gather
from espnet_plugin.results.json_format import Entries, read_entries
from espnet_plugin.results.other_data import NOT_OF_TODAY
from espnet_plugin.results.read_score import ScoreChoice
from espnet_plugin.results.results import Results, make_results
from espnet_plugin.results.retained import retained_of
from espnet_plugin.results.row import Row, TestSet
from espnet_plugin.results.shared_run import Runs, chain_of, runs_by_name

__all__ = ["merge", "merged_results", "write_results"]

PathLike = Union[str, Path]

_FIRST_METHODS = ("reference", "encrl", "scratch")
_RUN_NOTE = "cost of the shared run"


def merge(
    old: Optional[Entries], new: Entries, corpus: str, intersection: bool = False
) -> Results:
    """Merge gathered results into the content of an existing results.json.

    Rows are the same if method, variant, layers, size (with its width) and seed are
    equal, shared runs if their names are equal. A new entry replaces the old one
    completely. Old entries that are not replaced are retained and marked (see
    `retained`).

    Args:
        old: Content of results.json, or None.
        new: Result of `gather`.
        corpus: Name of the corpus.
        intersection: Whether rows may be scored on different test sets; they are then
            compared on their common utterances.

    Raises:
        UserError: If ``old`` is of a different corpus, or rows are scored on different
            test sets and ``intersection`` is false.
    """
    old = old if old is not None else Entries(corpus=corpus)
    if old.corpus != corpus:
        raise UserError(
            f"results.json is for the corpus {old.corpus!r}, not {corpus!r}: choose "
            "another --results_json, or give the right --corpus"
        )
    rows = {row.identity.row_key: row for row in old.rows}
    runs = dict(runs_by_name(old.shared_runs))
    if new.rows or new.shared_runs or new.skipped:
        # Without folders, the content of the file is not marked as retained.
        rows = {key: replace(row, retained=True) for key, row in rows.items()}
        runs = {key: replace(run, retained=True) for key, run in runs.items()}
    for row in new.rows:
        before = rows.get(row.identity.row_key)
        if before and before.identity.folder not in (None, row.identity.folder):
            logging.warning(
                "%s replaces %s", row.identity.folder, before.identity.folder
            )
        rows[row.identity.row_key] = row
    runs.update(runs_by_name(new.shared_runs))
    merged = [_with_shared_run(row, runs) for row in rows.values()]
    retained = retained_of(merged, runs).names
    if retained and new.rows:  # a page that is only read keeps all of its rows
        logging.warning(
            "rows kept from the existing results.json, and marked in the tables, "
            "because their folders are not given: %s; to leave them out, choose "
            "another --results_json",
            ", ".join(retained),
        )
    test_sets = {**old.test_sets, **new.test_sets}
    used = {row.quality.test_set for row in merged}
    entries = Entries(
        corpus=corpus,
        rows=tuple(sorted(merged, key=_row_order)),
        shared_runs=tuple(sorted(runs.values(), key=lambda run: run.name)),
        test_sets={key: one for key, one in test_sets.items() if key in used},
        skipped=new.skipped,
        on_dev=new.on_dev or old.on_dev,
    )
    if not intersection:
        _refuse_other_test_sets(entries.rows, entries.test_sets)
    return make_results(entries)


def merged_results(
    results_json: PathLike,
    folders: Iterable[PathLike],
    corpus: Optional[str] = None,
    choice: ScoreChoice = ScoreChoice(),
    intersection: bool = False,
) -> Results:
    """Merge the results in ``folders`` with those in a file, which need not exist.

    Nothing is written: what is wrong with a report's other options is found before.

    Args:
        results_json: Path of the file.
        folders: Experiment folders. If empty, only the derived values are computed
        again.
        corpus: Name of the corpus; may be None if the file exists.
        choice: See `gather`.
        intersection: See `merge`.

    Returns:
        The content that the file should get (`write_results`), without comparisons.

    Raises:
        UserError: If there is neither a folder nor the file, no corpus is given, no
            folder has a model or the chosen decoding or set, or all scores are from
            data that has changed since.
    """
    results_json = Path(results_json)
    folders = list(folders)
    old = None
    # A file without content, which a power cut can leave, has no rows to keep.
    if results_json.exists() and (not folders or results_json.stat().st_size):
        old = read_entries(read_json(results_json), results_json)
    if old is None and not folders:
        raise UserError(
            f"{results_json} does not exist, and no experiment folder is given: give "
            "some, e.g. exp/asr_* exp/encrl_*"
        )
    if corpus is None:
        if old is None:
            raise UserError(
                f"{results_json} is new: give the name of its corpus with --corpus"
            )
        corpus = old.corpus
    _check_choice(folders, choice)
    new = gather(folders, choice)
    _refuse_old_scores(new.rows)
    if choice.test_set is not None:
        new = replace(new, on_dev=choice.test_set == choice.dev_set)
        old = old and replace(old, on_dev=new.on_dev)
    results = merge(old, new, corpus, intersection)
    if not results.rows and not results.runs:
        raise UserError(
            "none of the folders is a finished experiment "
            f"({', '.join(new.skipped) or 'statistics only'}): give folders that have "
            "a config.yaml and scores"
        )
    return results


def _check_choice(folders: Sequence[PathLike], choice: ScoreChoice) -> None:
    """Refuse a decoding or a set that none of the folders has; it may be misspelt.

    Raises:
        UserError: Naming the decodings or sets that there are.
    """
    scored = [find_scored(Path(folder)) for folder in folders]
    decodings = {name for found in scored for name in found}
    sets = {name for found in scored for part in found.values() for name in part}
    if not sets:  # nothing was decoded yet
        return
    for option, value, there in (
        ("decoding", choice.decoding, decodings),
        ("test_set", choice.test_set, sets),
    ):
        known = {form for name in there for form in _forms(name)}
        if value and value not in known:
            raise UserError(
                f"--{option} {value}: none of the folders has it; there are "
                f"{', '.join(sorted(min(_forms(name), key=len) for name in there))}"
            )


def _forms(name: str) -> tuple[str, ...]:
    """Return a name with and without what is put before decodings and sets."""
    return name, name.removeprefix(DECODE_PREFIX), name.removeprefix(ORIGINAL)


def write_results(results_json: PathLike, results: Results) -> None:
    """Write results.json.

    Raises:
        UserError: If it would contain NaN or Infinity, or cannot be written.
    """
    try:
        write_json(results_json, results.to_dict())
    except UserError:
        raise
    except ValueError as error:
        raise UserError(
            f"{results_json} holds NaN or Infinity: correct the file by hand, or "
            "delete it and run the report again on all folders"
        ) from error


def _refuse_old_scores(rows: Sequence[Row]) -> None:
    """Refuse to replace a report by one without any score.

    Raises:
        UserError: If no row has a score, because the data has changed since.
    """
    old = [
        (row.identity.folder, lack)
        for row in rows
        for lack in row.missing
        if lack.startswith(NOT_OF_TODAY)
    ]
    if old and all(row.quality.test_wer is None for row in rows):
        folder, lack = old[0]
        raise UserError(
            "no report is written: no model has a score on the current data. "
            f"{folder} lacks {lack}"
        )


def _refuse_other_test_sets(
    rows: Iterable[Row], test_sets: Mapping[str, TestSet]
) -> None:
    scored = [row for row in rows if row.quality.test_set in test_sets]
    other = [
        row for row in scored if row.quality.test_set != scored[0].quality.test_set
    ]
    if not other:
        return
    pair = scored[0], other[0]
    first, second = (test_sets[row.quality.test_set].names for row in pair)
    raise UserError(
        f"{' and '.join(row.name for row in pair)} are scored on different test sets "
        f"({len(first)} and {len(second)} utterances, {len({*first} & {*second})} "
        "names in common): choose the set with --test_set, score both on the same "
        "set and text, or compare their common utterances with --intersection"
    )


def _row_order(row: Row) -> tuple:
    method, variant, layers, shape, seed = row.identity.row_key
    first = _FIRST_METHODS.index(method) if method in _FIRST_METHODS else 99
    return (first, method, variant, *shape.order, -layers, seed)


def _with_shared_run(row: Row, runs: Runs) -> Row:
    """Set the full name of a row's run, and note runs whose cost is not known."""
    if not row.identity.shared_run:
        return row
    name = full_name(row.identity.shared_run, runs)
    # The note of an earlier merge may no longer apply.
    missing = [item for item in row.missing if not item.startswith(_RUN_NOTE)]
    lacking = [one for one in chain_of(name, runs) if one not in runs]
    missing += [f"{_RUN_NOTE} {one}" for one in lacking]
    if name in lacking:
        logging.warning(
            "%s is built on the training %s, whose folder is not given: the whole "
            "cost is not known",
            row.name,
            name,
        )
    identity = replace(row.identity, shared_run=name)
    return replace(row, identity=identity, missing=tuple(missing))
