"""One row of ``results.json`` from one folder; ``results.py`` says what is in it."""

import math
from pathlib import Path
from typing import Any, Optional, Union

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_json
from espnet_plugin.results.espnet_folder import (
    choose_decoding,
    choose_set,
    count_sizes,
    find_scores,
    read_identity,
    read_times,
)
from espnet_plugin.results.references import read_reference
from espnet_plugin.results.size import with_size
from espnet_plugin.score.bootstrap import bootstrap_interval, sum_by_unit
from espnet_plugin.score.trn import score_trn

__all__ = [
    "DEFAULT_DECODING",
    "DEFAULT_TEST_SET",
    "read_espnet_folder",
    "read_model_folder",
    "read_shared_folder",
]

PathLike = Union[str, Path]

# Of our own folders, where nothing is named.
DEFAULT_DECODING = "best_path"
DEFAULT_TEST_SET = "test"
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
# What earlier versions did not take the processor time of.
_CACHE = "teacher_cache"
# Of rtf.json. Files of earlier versions lack them.
_RTF_KEYS = ("params_nonzero", "file_bytes", "macs_per_audio_second", "peak_memory_mb")
# Of a recogniser with two modes; other rows do not have them.
_DUAL_MODE_META = ("mode", "sparsity", "latency_ms", "blocks_file_bytes")
_STREAMING_RTF = ("chunk_rtf", "chunk_ms", "chunk_audio_ms")


def read_model_folder(
    folder: PathLike,
    decoding: Optional[str] = None,
    test_set: Optional[str] = None,
    dev_set: str = "dev",
) -> dict[str, Any]:
    """One row, from a finished model's folder of this plugin.

    Args:
        folder: With meta.json and, as far as they exist, cost.json, rtf.json,
            train.log and ``decode_<decoding>/<set>/score.json``.
        decoding: Which decoding counts; best_path by default.
        test_set: Name of the test set's folder; test by default.
        dev_set: The same of the development set.

    Returns:
        The row; for `gather` also the test utterances' names and numbers of words
        under "test_names" and "test_lengths".

    Raises:
        UserError: If meta.json is missing or lacks what identifies a row, or a file
            is not JSON.
    """
    folder = Path(folder)
    decoding = decoding or DEFAULT_DECODING
    meta = read_json(folder / "meta.json")
    lacking = [key for key in _REQUIRED_META if meta.get(key) is None]
    if lacking:
        raise UserError(
            f"{folder / 'meta.json'} lacks {', '.join(lacking)}: "
            "train the model again, or add them by hand"
        )
    missing: list[str] = []
    scores = folder / f"decode_{decoding}"
    test, dev = (
        _without_empty(_read_score(scores / name, folder, missing), name, missing)
        for name in (test_set or DEFAULT_TEST_SET, dev_set)
    )
    identity = {
        "method": meta["method"],
        "variant": meta.get("variant") or "",
        "layers": int(meta["layers"]),
        "size": meta.get("size"),
        "seed": int(meta["seed"]),
        "params": meta.get("params"),
        "checkpoint": meta.get("checkpoint"),
        "shared": meta.get("shared"),
        **_reference(folder, meta),
        "decoding": decoding,
        **{key: meta[key] for key in _DUAL_MODE_META if key in meta},
    }
    rtf = _read_or_note(folder / "rtf.json", folder, missing)
    cost = _read_cost(folder, missing)
    if identity["params"] is None:
        missing.append("meta.json: params")
    return _row(folder, with_size(identity), test, dev, rtf, cost, missing)


def read_espnet_folder(
    folder: PathLike,
    decoding: Optional[str] = None,
    test_set: Optional[str] = None,
    dev_set: str = "dev",
) -> dict[str, Any]:
    """One row, from any ESPnet ASR experiment folder that has no meta.json.

    The method is ``espnet`` and the variant the folder's name. Scores are those of a
    score.json, or are counted from ESPnet's ``score_wer/{ref,hyp}.trn``; parameters are
    those of rtf.json, or counted in the checkpoint; training time is cost.json's, or
    what train.log says.

    Args:
        folder: With config.yaml.
        decoding: Its folder's name with or without ``decode_``; None: the only one.
        test_set: None: the only one besides the development set.
        dev_set: Name of the development set, with or without ``org/``.

    Raises:
        UserError: If config.yaml is missing or is not of an ASR model, or several
            decodings or sets fit and none is named.
    """
    folder = Path(folder)
    missing: list[str] = []
    identity = read_identity(folder, missing)
    scores = find_scores(folder)
    chosen = choose_decoding(folder, scores, decoding)
    paths = choose_set(folder, scores.get(chosen, {}), test_set, dev_set)
    test, dev = (
        (
            _without_empty(_read_score(path, folder, missing), path.name, missing)
            if path is not None
            else _no_score(f"{chosen}/{name}", scores, missing)
        )
        for path, name in zip(paths, (test_set or "*", dev_set))
    )
    rtf: dict[str, Any] = {}
    if (folder / "rtf.json").exists():
        rtf = _read_or_note(folder / "rtf.json", folder, missing)
    parameters = rtf.get("parameters") or {}
    identity["params"] = parameters.get("total")
    if identity["params"] is None and identity["checkpoint"] is not None:
        rtf = {**count_sizes(folder, identity["checkpoint"]), **rtf}
        identity["params"] = rtf.pop("params", None)
    if not (folder / "rtf.json").exists():
        missing.append("rtf.json")
    if identity["params"] is None:
        missing.append("number of parameters")
    cost = _read_cost(folder, missing)
    if cost["train_seconds"] is None:
        cost.update(read_times(folder))
    identity.update(
        size=identity["layers"], shared=None, decoding=chosen.removeprefix("decode_")
    )
    return _row(folder, identity, test, dev, rtf, cost, missing)


def read_shared_folder(folder: PathLike) -> dict[str, Any]:
    """One entry of ``shared``: a training that serves models of several sizes.

    Raises:
        UserError: If meta.json is missing or does not say whom the run serves.
    """
    folder = Path(folder)
    meta = read_json(folder / "meta.json")
    if not meta.get("serves"):
        raise UserError(
            f"{folder / 'meta.json'} does not say under 'serves' which numbers of "
            "layers this training is for, e.g. [6, 4, 2]"
        )
    missing: list[str] = []
    entry = {
        "name": meta.get("name") or folder.resolve().name,
        "serves": list(meta["serves"]),
        "seed": meta.get("seed"),
        "variant": meta.get("variant") or "",
        **({"after": meta["after"]} if meta.get("after") else {}),
        **_reference(folder, meta),
        **_read_cost(folder, missing),
        "dir": folder.resolve().name,
    }
    entry["missing"] = missing
    return entry


def _reference(folder: Path, meta: dict[str, Any]) -> dict[str, str]:
    digest = read_reference(folder, meta)
    return {} if digest is None else {"reference": digest}


def _row(
    folder: Path,
    identity: dict[str, Any],
    test: dict[str, Any],
    dev: dict[str, Any],
    rtf: dict[str, Any],
    cost: dict[str, Any],
    missing: list[str],
) -> dict[str, Any]:
    lacking = [key for key in _RTF_KEYS if rtf.get(key) is None]
    if lacking and "rtf.json" not in missing:
        missing.append(f"rtf.json: {', '.join(lacking)}")
    load = rtf.get("load_average")
    row: dict[str, Any] = {
        **identity,
        "test_wer": test.get("wer"),
        "test_words": test.get("words"),
        "wer_ci95": test.get("wer_ci95"),
        "wer_ci95_speakers": None,
        "test_cer": test.get("cer"),
        "cer_ci95": test.get("cer_ci95"),
        "dev_wer": dev.get("wer"),
        "dev_wer_ci95": dev.get("wer_ci95"),
        **cost,
        **{key: rtf.get(key) for key in _RTF_KEYS},
        **{key: rtf[key] for key in _STREAMING_RTF if key in rtf},
        "encoder_rtf": rtf.get("encoder_rtf"),
        "rtf_load": load[0] if isinstance(load, list) and load else load,
        "rtf_threads": rtf.get("threads"),
        "macs_audio_seconds": rtf.get("audio_seconds"),
        "dir": folder.resolve().name,
    }
    if test.get("per_utterance"):
        row.update(_by_unit(test))
    if dev.get("per_utterance"):
        entries, names = _entries_and_units(dev)
        row.update(_sums(entries, names, "dev", "unit"))
    row["missing"] = missing
    return row


def _by_unit(score: dict[str, Any]) -> dict[str, Any]:
    entries, names = _entries_and_units(score)
    row: dict[str, Any] = {
        "bootstrap_unit": _unit(score),
        **_sums(entries, names, "test", "unit"),
        "test_names": [entry["utt"] for entry in entries],
        "test_lengths": [entry["words"] for entry in entries],
    }
    if all("chars" in entry for entry in entries):
        row.update(
            {
                "test_char_errors_by_unit": _sum(entries, names, "char_errors"),
                "test_chars_by_unit": _sum(entries, names, "chars"),
            }
        )
    speakers = [entry.get("spk") for entry in entries]
    if None not in speakers and len(set(speakers)) > 1:
        row.update(_sums(entries, speakers, "test", "speaker"))
        row["wer_ci95_speakers"] = list(
            bootstrap_interval(
                sum_by_unit([entry["errors"] for entry in entries], speakers),
                sum_by_unit([entry["words"] for entry in entries], speakers),
            )
        )
    return row


def _unit(score: dict[str, Any]) -> str:
    return score.get("bootstrap", {}).get("unit", "utterance")


def _entries_and_units(score: dict[str, Any]) -> tuple[list[dict], list[str]]:
    """Return the utterances by name, and what each is drawn with."""
    entries = sorted(score["per_utterance"], key=lambda entry: entry["utt"])
    key = "spk" if _unit(score) == "speaker" else "utt"
    return entries, [entry[key] for entry in entries]


def _sums(
    entries: list[dict], names: list[str], which: str, unit: str
) -> dict[str, str]:
    return {
        f"{which}_errors_by_{unit}": _sum(entries, names, "errors"),
        f"{which}_words_by_{unit}": _sum(entries, names, "words"),
    }


def _sum(entries: list[dict], names: list[str], key: str) -> str:
    sums = sum_by_unit([entry[key] for entry in entries], names)
    return " ".join(f"{number:.0f}" for number in sums)


def _read_score(decoded: Path, folder: Path, missing: list[str]) -> dict[str, Any]:
    """Read score.json, or count from ESPnet's transcripts where there is none."""
    path = decoded / "score.json"
    kinds = ("score_wer", "score_cer")
    found = [decoded / kind / "ref.trn" for kind in kinds]
    found = [trn for trn in found if trn.is_file()]
    if path.exists() or not found:
        return _read_or_note(path, folder, missing)
    if not found[0].read_text(encoding="utf-8", errors="replace").strip():
        return {"utterances": 0}
    return score_trn(decoded)


def _without_empty(
    score: dict[str, Any], name: str, missing: list[str]
) -> dict[str, Any]:
    if 0 in (score.get("words"), score.get("utterances")):
        missing.append(f"a word in the set {name!r}: it is empty")
        return {}
    return score


def _no_score(
    wanted: str, scores: dict[str, dict[str, Path]], missing: list[str]
) -> dict[str, Any]:
    there = [f"{decoding}/{name}" for decoding in scores for name in scores[decoding]]
    missing.append(f"{wanted}/score_wer (scored: {', '.join(there) or 'nothing'})")
    return {}


def _read_or_note(path: Path, folder: Path, missing: list[str]) -> dict[str, Any]:
    """Read a file; what is not there is noted, and what is no finite number, too."""
    if not path.exists():
        missing.append(path.relative_to(folder).as_posix())
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys: delete it and run the stage again")
    infinite = [key for key, value in content.items() if not _is_finite(value)]
    if infinite:
        name = path.relative_to(folder).as_posix()
        missing.append(f"{name}: a finite number under {', '.join(infinite)}")
    return {**content, **dict.fromkeys(infinite)}


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _read_cost(folder: Path, missing: list[str]) -> dict[str, Any]:
    cost = _read_or_note(folder / "cost.json", folder, missing)
    if cost:
        missing += [
            f"cost.json: {theirs}"
            for ours, theirs in _COST.items()
            if theirs not in cost and ours not in _OPTIONAL_COST
        ]
    # Sums over a part of the epochs look like sums.
    if any("cpu_seconds" not in epoch for epoch in cost.get("per_epoch") or []):
        cost["cpu_seconds"] = None
    read = {ours: cost.get(theirs) for ours, theirs in _COST.items()}
    cache = (cost.get("once") or {}).get(_CACHE)
    if cache and "cpu_seconds" not in cache and read["cpu_seconds"] is not None:
        read["cpu_without_cache"] = True
    return read
