"""Gather what the finished folders of an experiment say into one ``results.json``.

Nothing is guessed: a figure whose file is not there yet is ``null`` in its row, and the
row says under "missing" which file that is. So is what is not a finite number.

The file holds

* ``corpus``: its name.
* ``rows``: one for each model, that is method, variant, layers, size and seed.

  * ``method``, ``variant``, ``layers`` (0: not known), ``size`` (layers of a model of
    as many parameters), ``seed``, ``dir`` (its folder's name), ``checkpoint``,
    ``shared`` (the run it is built on, or null).
  * Size: ``params``, ``params_nonzero`` (values that are not exactly zero),
    ``file_bytes`` of the checkpoint.
  * Quality: ``decoding``, ``test_wer``, ``test_cer``, ``dev_wer`` in percent,
    ``test_words``; 95 % intervals ``wer_ci95``, ``cer_ci95``, ``dev_wer_ci95`` over
    ``bootstrap_unit`` (utterances as a rule), ``wer_ci95_speakers`` over speakers where
    the set has several. ``test_{errors,words,char_errors,chars}_by_unit`` and
    ``test_{errors,words}_by_speaker``: sums, as one string of numbers each, so that
    systems can be compared from this file alone; ``test_set`` is a key of
    ``test_sets``.
  * Training: ``train_seconds``, ``valid_seconds``, ``cpu_seconds`` (without the
    teacher's cache if ``cpu_without_cache``), ``train_flops``
    (of the model itself), ``teacher_flops``, ``audio_seconds`` (shown, all epochs),
    ``epochs``; ``curve_epochs``, ``dev_cer_by_epoch`` (percent), ``dev_loss_by_epoch``
    of the shared trainings and then its own.
  * Running: ``encoder_rtf`` on ``rtf_threads`` threads with ``rtf_load`` (one-minute
    load of the machine just before), ``macs_per_audio_second`` of an utterance of
    ``macs_audio_seconds``, ``peak_memory_mb`` (see ``speed.write_rtf`` and ``memory``).
  * Of dual-mode recognisers: ``mode`` (full or streaming), ``sparsity`` (share of the
    weights within reach of the masks that is masked), ``latency_ms`` (algorithmic; null
    in full mode), ``chunk_rtf``, ``chunk_ms``, ``chunk_audio_ms`` (``chunk_speed``); of
    masked blocks ``blocks_file_bytes`` (``dual_mode.extract.blocked_state``).
  * ``missing``: what there was no file or no number for. ``kept``: true if the folder
    was not among those given last, so that the row is of an earlier time.

* ``shared``: runs that serve several models (EncRL, a search for layers), with the keys
  of training above, ``name`` and ``serves``; ``after`` names the run that one goes on
  from, whose cost is not in it.
* ``reference``, of rows and shared trainings: the beginning of the SHA-256 of the
  reference's checkpoint that they learnt from, where the folder says it.
* ``on_dev``: true if the figures called test are of the development set, as those of
  trials that choose a configuration ought to be; tables and plots then say so.
* ``test_sets``: by a digest of names and numbers of words, ``utterances`` (how many),
  ``names`` and ``words`` (one string each).
* ``aggregates`` (over seeds), ``families`` (cost of all sizes together),
  ``comparisons`` (paired, of two rows; made by ``bin/report.py``), ``skipped``.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Union

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json, write_json
from espnet_plugin.results.aggregate import group_rows
from espnet_plugin.results.curves import read_curve
from espnet_plugin.results.family import family_costs
from espnet_plugin.results.kept import keep, kept_of
from espnet_plugin.results.row_cost import run_names
from espnet_plugin.results.rows import (
    read_espnet_folder,
    read_model_folder,
    read_shared_folder,
)
from espnet_plugin.results.size import row_size, with_size

__all__ = ["gather", "merge", "update_results"]

PathLike = Union[str, Path]

_ENCRL = "encrl_pretrain"
_FIRST_METHODS = ("reference", "encrl", "scratch")
_RUN_NOTE = "cost of the shared run"


def gather(
    folders: Iterable[PathLike],
    decoding: Optional[str] = None,
    test_set: Optional[str] = None,
    dev_set: str = "dev",
) -> dict[str, Any]:
    """Read model folders and EncRL folders, in any order.

    A folder of this plugin without meta.json (a training that has not ended) and one
    without config.yaml are left out, logged, and named under "skipped"; ESPnet's
    asr_stats* folders are passed over, and a folder named twice counts once.

    Args:
        folders: Of experiments.
        decoding: See `read_model_folder` and `read_espnet_folder`.
        test_set: See there.
        dev_set: See there.

    Returns:
        "rows", "shared" and "skipped" (names of folders), unsorted, and "test_sets".

    Raises:
        UserError: If a folder does not exist, or two hold the same model.
    """
    rows: list[dict] = []
    shared: list[dict] = []
    skipped: list[str] = []
    test_sets: dict[str, dict] = {}
    paths: dict[int, Path] = {}
    for folder in {Path(f).resolve(): Path(f) for f in folders}.values():
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: name existing exp/ folders")
        if folder.name.startswith("asr_stats"):
            # ESPnet keeps the statistics beside the models, where exp/asr_* finds them.
            continue
        options = (folder, decoding, test_set, dev_set)
        if (folder / "meta.json").exists():
            meta = read_json(folder / "meta.json")
            # What serves several models is no model.
            if meta.get("serves") or meta.get("method") == _ENCRL:
                shared.append(read_shared_folder(folder))
                paths[id(shared[-1])] = folder
                continue
            rows.append(read_model_folder(*options))
        # A request is what this plugin begins a training with.
        elif (folder / "config.yaml").exists() and not (
            folder / "request.json"
        ).exists():
            rows.append(read_espnet_folder(*options))
        else:
            what = "meta.json" if (folder / "config.yaml").exists() else "config.yaml"
            logging.warning("%s has no %s: left out of the results", folder, what)
            skipped.append(folder.resolve().name)
            continue
        paths[id(rows[-1])] = folder
        _name_test_set(rows[-1], test_sets)
    for entry in rows + shared:
        if entry["missing"]:
            logging.warning("%s lacks %s", entry["dir"], ", ".join(entry["missing"]))
    _refuse_twins(rows, _row_key, paths)
    _refuse_twins(shared, _shared_key, paths)
    runs = {_shared_key(entry): entry for entry in shared}
    for row in rows:
        names = run_names(_with_full_name(row, runs), runs)
        known = [runs[name] for name in reversed(names) if name in runs]
        before = [(paths[id(entry)], entry) for entry in known]
        row.update(read_curve(paths[id(row)], row, before))
    return {
        "rows": rows,
        "shared": shared,
        "skipped": skipped,
        "test_sets": test_sets,
    }


def merge(
    old: Optional[dict],
    new: Mapping[str, Any],
    corpus: str,
    intersection: bool = False,
) -> dict[str, Any]:
    """Put what was gathered into an existing results.json's content.

    A row is the same row if method, variant, layers, size and seed are; an EncRL run,
    if its name is. The new one replaces the old one whole; an old one that no new one
    replaces is kept and marked (see `kept`). "aggregates" (over seeds)
    and "families" (cost of all sizes together) are computed from the result.

    Args:
        old: Content of results.json, or None.
        new: From `gather`.
        corpus: Name of the corpus.
        intersection: Rows may be scored on different test sets; they are compared on
            the utterances that they share.

    Raises:
        UserError: If ``old`` is of another corpus or has not the form of results.json,
            or rows are scored on different test sets and ``intersection`` is not set.
    """
    old = old if old is not None else {"corpus": corpus, "rows": [], "shared": []}
    if not isinstance(old, dict) or not isinstance(old.get("rows"), list):
        raise UserError("this is no results.json: it has no list under 'rows'")
    if old.get("corpus") != corpus:
        raise UserError(
            f"results.json is of the corpus {old.get('corpus')!r}, not {corpus!r}: "
            "choose another --results_json or the right --corpus"
        )
    # Files of earlier versions have the size in the variant.
    rows = {_row_key(row): row for row in map(with_size, old["rows"])}
    shared = {_shared_key(entry): entry for entry in old.get("shared", [])}
    if new["rows"] or new["shared"] or new["skipped"]:
        # Without a folder, what the file holds is only drawn again.
        rows = {key: keep(row) for key, row in rows.items()}
        shared = {key: keep(entry) for key, entry in shared.items()}
    for row in new["rows"]:
        before = rows.get(_row_key(row))
        if before and before.get("dir") not in (None, row["dir"]):
            logging.warning("%s replaces %s", row["dir"], before["dir"])
        rows[_row_key(row)] = row
    shared.update({_shared_key(entry): entry for entry in new["shared"]})
    _name_shared_runs(rows.values(), shared)
    kept = kept_of(rows.values(), shared).names
    if kept:
        logging.warning(
            "kept from the results.json that was there, and marked in the tables, for "
            "want of their folders: %s; another --results_json leaves them out",
            ", ".join(kept),
        )
    content = {
        "corpus": corpus,
        "rows": sorted(rows.values(), key=_row_order),
        "shared": sorted(shared.values(), key=lambda entry: entry["name"]),
    }
    test_sets = {**old.get("test_sets", {}), **new.get("test_sets", {})}
    used = {row.get("test_set") for row in content["rows"]}
    content["test_sets"] = {key: test_sets[key] for key in test_sets if key in used}
    if not intersection:
        _refuse_other_test_sets(content["rows"], content["test_sets"])
    content["aggregates"] = [
        group.to_dict() for group in group_rows(content["rows"], content["shared"])
    ]
    content["families"] = [
        family.to_dict() for family in family_costs(content["rows"], content["shared"])
    ]
    content["skipped"] = new["skipped"]
    return content


def update_results(
    results_json: PathLike,
    folders: Iterable[PathLike],
    corpus: Optional[str] = None,
    decoding: Optional[str] = None,
    test_set: Optional[str] = None,
    dev_set: str = "dev",
    intersection: bool = False,
) -> dict[str, Any]:
    """Gather ``folders`` into the file ``results_json``, which need not exist yet.

    Args:
        results_json: The file.
        folders: May be empty if the file exists: then only what is derived is renewed.
        corpus: May be None if the file exists.
        decoding: See `read_model_folder`.
        test_set: See there.
        dev_set: See there.
        intersection: See `merge`.

    Returns:
        The file's new content.

    Raises:
        UserError: If neither a folder nor the file exists, no corpus is named, or the
            folders hold no model.
    """
    results_json = Path(results_json)
    folders = list(folders)
    old = read_json(results_json) if results_json.exists() else None
    if old is None and not folders:
        raise UserError(
            f"{results_json} does not exist and no experiment folder is named: "
            "name some, e.g. exp/asr_* exp/encrl_*"
        )
    if corpus is None:
        if old is None:
            raise UserError(f"{results_json} is new: name its corpus with --corpus")
        corpus = old.get("corpus")
    new = gather(folders, decoding, test_set, dev_set)
    content = merge(old, new, corpus, intersection)
    if test_set is not None:
        content["on_dev"] = test_set == dev_set
    else:
        content["on_dev"] = (old or {}).get("on_dev", False)
    if not content["rows"] and not content["shared"]:
        raise UserError(
            f"none of the folders is a finished experiment "
            f"({', '.join(new['skipped']) or 'statistics only'}): name folders with "
            "config.yaml, and with scores"
        )
    try:
        write_json(results_json, content)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(
            f"{results_json} holds NaN or Infinity: mend that by hand, or delete it "
            "and gather again"
        ) from error
    return content


def _name_test_set(row: dict[str, Any], test_sets: dict[str, dict]) -> None:
    """Put the names of the row's test utterances where all rows of the set share them.

    Names and numbers of words tell whether two sets are the same; the texts themselves
    are in no score.json.
    """
    names, words = row.pop("test_names", None), row.pop("test_lengths", None)
    row["test_set"] = None
    if not names:
        return
    joined = {"names": " ".join(names), "words": " ".join(map(str, words))}
    text = f"{joined['names']}\n{joined['words']}"
    row["test_set"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    test_sets[row["test_set"]] = {"utterances": len(names), **joined}


def _refuse_other_test_sets(rows: list[dict], test_sets: Mapping[str, dict]) -> None:
    scored = [row for row in rows if row.get("test_set") in test_sets]
    other = [row for row in scored if row["test_set"] != scored[0]["test_set"]]
    if not other:
        return
    first, second = (test_sets[row["test_set"]] for row in (scored[0], other[0]))
    common = set(first["names"].split()) & set(second["names"].split())
    raise UserError(
        f"{scored[0]['dir']} and {other[0]['dir']} are scored on different test sets "
        f"({first['utterances']} and {second['utterances']} utterances, {len(common)} "
        "names in common): choose with --test_set, score both on one set and text, or "
        "compare what they share with --intersection"
    )


def _row_key(row: dict[str, Any]) -> tuple:
    name = (row["method"], row.get("variant") or "")
    return (*name, row["layers"], row_size(row), row["seed"])


def _row_order(row: dict[str, Any]) -> tuple:
    method, variant, layers, size, seed = _row_key(row)
    first = _FIRST_METHODS.index(method) if method in _FIRST_METHODS else 99
    return (first, method, variant, -size, -layers, seed)


def _shared_key(entry: dict[str, Any]) -> str:
    return entry["name"]


def _refuse_twins(entries: list[dict], key, paths: Mapping[int, Path]) -> None:
    seen: dict[Any, Path] = {}
    for entry in entries:
        path = paths[id(entry)]
        if key(entry) in seen:
            raise UserError(
                f"{seen[key(entry)]} and {path} both say they are {key(entry)}: give "
                "one another variant or seed in its meta.json (or, without that, "
                "another folder's name), or name only one"
            )
        seen[key(entry)] = path


def _with_full_name(row: dict[str, Any], shared: Mapping[str, dict]) -> dict[str, Any]:
    """Return the row with the name that its run has among ``shared``."""
    if not row.get("shared"):
        return row
    name = Path(row["shared"]).name
    if name not in shared and f"encrl_{name}" in shared:
        name = f"encrl_{name}"
    return {**row, "shared": name}


def _name_shared_runs(rows: Iterable[dict], shared: dict[str, dict]) -> None:
    """Give a row's run its full name, and note a run whose cost is not known."""
    for row in rows:
        if not row.get("shared"):
            continue
        row.update(_with_full_name(row, shared))
        name = row["shared"]
        # The note of an earlier merge may be settled by now.
        missing = [
            item for item in row.get("missing", []) if not item.startswith(_RUN_NOTE)
        ]
        if name not in shared:
            missing.append(f"{_RUN_NOTE} {name}")
            logging.warning(
                "%s is built on the training %s, which is not among the folders: its "
                "whole cost is not known",
                row.get("dir", _row_key(row)),
                name,
            )
        while before := shared.get(name, {}).get("after"):
            if before not in shared:
                missing.append(f"{_RUN_NOTE} {before}")
            name = before
        row["missing"] = missing
