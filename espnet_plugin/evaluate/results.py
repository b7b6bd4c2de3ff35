"""Gather what the finished folders of an experiment say into one ``results.json``.

Nothing is guessed: a figure whose file is not there yet is ``null`` in its row, and the
row says under "missing" which file that is.
"""

import logging
from pathlib import Path
from typing import Any, Iterable, Optional, Union

from espnet_plugin.errors import UserError
from espnet_plugin.evaluate.aggregate import family_costs, group_rows
from espnet_plugin.evaluate.bootstrap import sum_by_unit
from espnet_plugin.files import read_json, write_json

__all__ = [
    "ENCRL_METHOD",
    "gather",
    "merge",
    "read_model_folder",
    "read_shared_folder",
    "update_results",
]

PathLike = Union[str, Path]

ENCRL_METHOD = "encrl_pretrain"
_FIRST_METHODS = ("reference", "encrl", "scratch")
_REQUIRED_META = ("method", "layers", "seed")
# Name in a row: name in cost.json.
_COST = {
    "train_seconds": "train_seconds",
    "valid_seconds": "valid_seconds",
    "cpu_seconds": "cpu_seconds",
    "train_flops": "flops",
    "teacher_flops": "teacher_flops",
    "audio_seconds": "audio_seconds",
    "epochs": "epochs",
}
# Not every stage measures these; their absence is no gap in a table.
_OPTIONAL_COST = ("valid_seconds", "cpu_seconds")
_RUN_NOTE = "cost of the shared run"


def read_model_folder(
    folder: PathLike,
    decoding: str = "best_path",
    test_set: str = "test",
    dev_set: str = "dev",
) -> dict[str, Any]:
    """One row of ``results.json``, from a finished model's folder.

    The row keeps the test errors summed by bootstrap unit (an utterance, or a speaker
    where score.json was made so), as one string of numbers, so that systems can be
    compared from results.json alone.

    Args:
        folder: With meta.json and, as far as they exist, cost.json, rtf.json and
            ``decode_<decoding>/<set>/score.json``.
        decoding: Which decoding counts.
        test_set: Name of the test set's folder.
        dev_set: The same of the development set.

    Raises:
        UserError: If meta.json is missing or lacks what identifies a row, or a file
            is not JSON.
    """
    folder = Path(folder)
    meta = read_json(folder / "meta.json")
    lacking = [key for key in _REQUIRED_META if meta.get(key) is None]
    if lacking:
        raise UserError(
            f"{folder / 'meta.json'} lacks {', '.join(lacking)}: "
            "train the model again, or add them by hand"
        )
    missing: list[str] = []
    scores = folder / f"decode_{decoding}"
    test = _read_or_note(scores / test_set / "score.json", folder, missing)
    dev = _read_or_note(scores / dev_set / "score.json", folder, missing)
    rtf = _read_or_note(folder / "rtf.json", folder, missing)
    row: dict[str, Any] = {
        "method": meta["method"],
        "variant": meta.get("variant") or "",
        "layers": int(meta["layers"]),
        "seed": int(meta["seed"]),
        "params": meta.get("params"),
        "test_wer": test.get("wer"),
        "test_words": test.get("words"),
        "wer_ci95": test.get("wer_ci95"),
        "test_cer": test.get("cer"),
        "cer_ci95": test.get("cer_ci95"),
        "dev_wer": dev.get("wer"),
        **_read_cost(folder, missing),
        "encoder_rtf": rtf.get("encoder_rtf"),
        "shared": meta.get("shared"),
        "decoding": decoding,
        "dir": folder.resolve().name,
    }
    if row["params"] is None:
        missing.append("meta.json: params")
    if test.get("per_utterance"):
        row.update(_errors_by_unit(test))
    row["missing"] = missing
    return row


def read_shared_folder(folder: PathLike) -> dict[str, Any]:
    """One entry of ``shared``: an EncRL run that serves models of several sizes.

    Raises:
        UserError: If meta.json is missing or does not say whom the run serves.
    """
    folder = Path(folder)
    meta = read_json(folder / "meta.json")
    if not meta.get("serves"):
        raise UserError(
            f"{folder / 'meta.json'} does not say under 'serves' which numbers of "
            "layers this EncRL run is for, e.g. [6, 4, 2]"
        )
    missing: list[str] = []
    entry = {
        "name": meta.get("name") or folder.resolve().name,
        "serves": list(meta["serves"]),
        "seed": meta.get("seed"),
        "variant": meta.get("variant") or "",
        **_read_cost(folder, missing),
        "dir": folder.resolve().name,
    }
    entry["missing"] = missing
    return entry


def gather(
    folders: Iterable[PathLike],
    decoding: str = "best_path",
    test_set: str = "test",
    dev_set: str = "dev",
) -> dict[str, list]:
    """Read model folders and EncRL folders, in any order.

    A folder without meta.json (a training that has not ended) is left out, logged, and
    named under "skipped"; ESPnet's asr_stats* folders are passed over.

    Returns:
        "rows", "shared" and "skipped" (names of folders), unsorted.

    Raises:
        UserError: If a folder does not exist, or two hold the same model.
    """
    rows: list[dict] = []
    shared: list[dict] = []
    skipped: list[str] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder: name existing exp/ folders")
        if folder.name.startswith("asr_stats"):
            # ESPnet keeps the statistics beside the models, where exp/asr_* finds them.
            continue
        if not (folder / "meta.json").exists():
            logging.warning("%s has no meta.json: left out of the results", folder)
            skipped.append(folder.resolve().name)
        elif read_json(folder / "meta.json").get("method") == ENCRL_METHOD:
            shared.append(read_shared_folder(folder))
        else:
            rows.append(read_model_folder(folder, decoding, test_set, dev_set))
    for entry in rows + shared:
        if entry["missing"]:
            logging.warning("%s lacks %s", entry["dir"], ", ".join(entry["missing"]))
    _refuse_twins(rows, _row_key)
    _refuse_twins(shared, _shared_key)
    return {"rows": rows, "shared": shared, "skipped": skipped}


def merge(old: Optional[dict], new: dict[str, list], corpus: str) -> dict[str, Any]:
    """Put what was gathered into an existing results.json's content.

    A row is the same row if method, variant, layers and seed are; an EncRL run, if its
    name is. The new one replaces the old one whole. "aggregates" (over seeds) and
    "families" (cost of all sizes together) are computed from the result.

    Args:
        old: Content of results.json, or None.
        new: From `gather`.
        corpus: Name of the corpus.

    Raises:
        UserError: If ``old`` is of another corpus or has not the form of results.json.
    """
    old = old if old is not None else {"corpus": corpus, "rows": [], "shared": []}
    if not isinstance(old, dict) or not isinstance(old.get("rows"), list):
        raise UserError("this is no results.json: it has no list under 'rows'")
    if old.get("corpus") != corpus:
        raise UserError(
            f"results.json is of the corpus {old.get('corpus')!r}, not {corpus!r}: "
            "choose another --results_json or the right --corpus"
        )
    rows = {_row_key(row): row for row in old["rows"]}
    for row in new["rows"]:
        before = rows.get(_row_key(row))
        if before and before.get("dir") not in (None, row["dir"]):
            logging.warning("%s replaces %s", row["dir"], before["dir"])
        rows[_row_key(row)] = row
    shared = {_shared_key(entry): entry for entry in old.get("shared", [])}
    shared.update({_shared_key(entry): entry for entry in new["shared"]})
    _name_shared_runs(rows.values(), shared)
    content = {
        "corpus": corpus,
        "rows": sorted(rows.values(), key=_row_order),
        "shared": sorted(shared.values(), key=lambda entry: entry["name"]),
    }
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
    decoding: str = "best_path",
    test_set: str = "test",
    dev_set: str = "dev",
) -> dict[str, Any]:
    """Gather ``folders`` into the file ``results_json``, which need not exist yet.

    Args:
        results_json: The file.
        folders: May be empty if the file exists: then only what is derived is renewed.
        corpus: May be None if the file exists.
        decoding: See `read_model_folder`.
        test_set: See there.
        dev_set: See there.

    Returns:
        The file's new content.

    Raises:
        UserError: If neither a folder nor the file exists, or no corpus is named.
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
    content = merge(old, gather(folders, decoding, test_set, dev_set), corpus)
    write_json(results_json, content)
    return content


def _read_or_note(path: Path, folder: Path, missing: list[str]) -> dict[str, Any]:
    if path.exists():
        return read_json(path)
    missing.append(str(path.relative_to(folder)))
    return {}


def _read_cost(folder: Path, missing: list[str]) -> dict[str, Any]:
    cost = _read_or_note(folder / "cost.json", folder, missing)
    row = {ours: cost.get(theirs) for ours, theirs in _COST.items()}
    if cost:
        missing += [
            f"cost.json: {_COST[key]}"
            for key, value in row.items()
            if value is None and key not in _OPTIONAL_COST
        ]
    return row


def _errors_by_unit(score: dict[str, Any]) -> dict[str, str]:
    unit = score.get("bootstrap", {}).get("unit", "utterance")
    entries = sorted(score["per_utterance"], key=lambda entry: entry["utt"])
    names = [entry["spk" if unit == "speaker" else "utt"] for entry in entries]
    return {
        "bootstrap_unit": unit,
        "test_errors_by_unit": _join(
            sum_by_unit([e["errors"] for e in entries], names)
        ),
        "test_words_by_unit": _join(sum_by_unit([e["words"] for e in entries], names)),
    }


def _join(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:.0f}" for number in numbers)


def _row_key(row: dict[str, Any]) -> tuple:
    return (row["method"], row.get("variant") or "", row["layers"], row["seed"])


def _row_order(row: dict[str, Any]) -> tuple:
    method, variant, layers, seed = _row_key(row)
    first = _FIRST_METHODS.index(method) if method in _FIRST_METHODS else 99
    return (first, method, variant, -layers, seed)


def _shared_key(entry: dict[str, Any]) -> str:
    return entry["name"]


def _refuse_twins(entries: list[dict], key) -> None:
    seen: dict[Any, str] = {}
    for entry in entries:
        if key(entry) in seen:
            raise UserError(
                f"{seen[key(entry)]} and {entry['dir']} both say they are "
                f"{key(entry)}: give one another variant or seed in its meta.json, or "
                "name only one"
            )
        seen[key(entry)] = entry["dir"]


def _name_shared_runs(rows: Iterable[dict], shared: dict[str, dict]) -> None:
    """Give a row's run its full name, and note a run whose cost is not known."""
    for row in rows:
        name = row.get("shared")
        if not name:
            continue
        name = Path(name).name
        if name not in shared and f"encrl_{name}" in shared:
            name = f"encrl_{name}"
        row["shared"] = name
        # The note of an earlier merge may be settled by now.
        missing = [
            item for item in row.get("missing", []) if not item.startswith(_RUN_NOTE)
        ]
        if name not in shared:
            missing.append(f"{_RUN_NOTE} {name}")
            logging.warning(
                "%s is built on the EncRL run %s, which is not among the folders: its "
                "whole cost is not known",
                row.get("dir", _row_key(row)),
                name,
            )
        row["missing"] = missing
