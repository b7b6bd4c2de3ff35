"""One row, or one shared run, from one experiment folder."""

from dataclasses import replace
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
from espnet_plugin.results.folder_file import read_or_note
from espnet_plugin.results.metrics import file_values
from espnet_plugin.results.read_score import ScoreChoice, quality_of, read_score
from espnet_plugin.results.references import read_reference
from espnet_plugin.results.row import (
    DualMode,
    Identity,
    Row,
    Running,
    Size,
    TestSet,
    TrainingCost,
)
from espnet_plugin.results.shared_run import SharedRun
from espnet_plugin.results.size import variant_and_size

__all__ = ["read_espnet_folder", "read_model_folder", "read_shared_folder"]

PathLike = Union[str, Path]
# A row, and what it was scored on if that is known.
Found = tuple[Row, Optional[TestSet]]

# Of our own folders, where nothing is named.
_DEFAULT_DECODING = "best_path"
_DEFAULT_TEST_SET = "test"
_REQUIRED_META = ("method", "layers", "seed")
# Keys of cost.json; not every stage measures the last two, and their absence is no gap
# in a table.
_COST = ("train_seconds", "flops", "teacher_flops", "audio_seconds", "epochs")
_OPTIONAL_COST = ("valid_seconds", "cpu_seconds")
# What earlier versions did not take the processor time of.
_CACHE = "teacher_cache"
# Keys of rtf.json that files of earlier versions lack.
_RTF_KEYS = ("params_nonzero", "file_bytes", "macs_per_audio_second", "peak_memory_mb")
# Of a recogniser with two modes; other rows do not have them.
_DUAL_MODE_META = ("mode", "sparsity", "latency_ms", "blocks_file_bytes")
_STREAMING_RTF = ("chunk_rtf", "chunk_ms", "chunk_audio_ms")


def read_model_folder(folder: PathLike, choice: ScoreChoice = ScoreChoice()) -> Found:
    """One row, from a finished model's folder of this plugin.

    Args:
        folder: With meta.json and, as far as they exist, cost.json, rtf.json,
            train.log and ``decode_<decoding>/<set>/score.json``.
        choice: Which scores count.

    Raises:
        UserError: If meta.json is missing or lacks what identifies a row, or a file
            is not JSON.
    """
    folder = Path(folder)
    decoding = choice.decoding or _DEFAULT_DECODING
    meta = read_json(folder / "meta.json")
    lacking = [key for key in _REQUIRED_META if meta.get(key) is None]
    if lacking:
        raise UserError(
            f"{folder / 'meta.json'} lacks {', '.join(lacking)}: "
            "train the model again, or add them by hand"
        )
    missing: list[str] = []
    scores = folder / f"decode_{decoding}"
    quality, names = quality_of(
        read_score(scores / (choice.test_set or _DEFAULT_TEST_SET), folder, missing),
        read_score(scores / choice.dev_set, folder, missing),
    )
    layers = int(meta["layers"])
    variant, size = variant_and_size(meta.get("variant"), layers, meta.get("size"))
    identity = Identity(
        method=meta["method"],
        variant=variant,
        layers=layers,
        size=size,
        seed=int(meta["seed"]),
        folder=folder.resolve().name,
        checkpoint=meta.get("checkpoint"),
        shared_run=meta.get("shared"),
        reference=read_reference(folder, meta),
        decoding=decoding,
    )
    rtf = read_or_note(folder / "rtf.json", folder, missing)
    cost = read_or_note(folder / "cost.json", folder, missing)
    training = _training(cost, missing)
    if meta.get("params") is None:
        missing.append("meta.json: params")
    row = Row(identity, Size(params=meta.get("params")), quality, training)
    return _with_measured(row, meta, rtf, cost, missing), names


def read_espnet_folder(folder: PathLike, choice: ScoreChoice = ScoreChoice()) -> Found:
    """One row, from any ESPnet ASR experiment folder that has no meta.json.

    The method is ``espnet`` and the variant the folder's name. Scores are those of a
    score.json, or are counted from ESPnet's ``score_wer/{ref,hyp}.trn``; parameters are
    those of rtf.json, or counted in the checkpoint; training time is cost.json's, or
    what train.log says.

    Args:
        folder: With config.yaml.
        choice: Which scores count.

    Raises:
        UserError: If config.yaml is missing or is not of an ASR model, or several
            decodings or sets fit and none is named.
    """
    folder = Path(folder)
    missing: list[str] = []
    identity = read_identity(folder, missing)
    scores = find_scores(folder)
    chosen = choose_decoding(folder, scores, choice.decoding)
    sets = choice.test_set, choice.dev_set
    paths = choose_set(folder, scores.get(chosen, {}), *sets)
    test, dev = (
        (
            read_score(path, folder, missing)
            if path is not None
            else _no_score(f"{chosen}/{name}", scores, missing)
        )
        for path, name in zip(paths, (sets[0] or "*", sets[1]))
    )
    quality, names = quality_of(test, dev)
    rtf: dict[str, Any] = {}
    if (folder / "rtf.json").exists():
        rtf = read_or_note(folder / "rtf.json", folder, missing)
    size = Size(params=(rtf.get("parameters") or {}).get("total"))
    if size.params is None and identity.checkpoint is not None:
        size = count_sizes(folder, identity.checkpoint)
    if not (folder / "rtf.json").exists():
        missing.append("rtf.json")
    if size.params is None:
        missing.append("number of parameters")
    cost = read_or_note(folder / "cost.json", folder, missing)
    training = _training(cost, missing)
    if training.train_seconds is None:
        training = replace(training, **read_times(folder))
    identity = replace(identity, decoding=chosen.removeprefix("decode_"))
    row = Row(identity, size, quality, training)
    return _with_measured(row, {}, rtf, cost, missing), names


def read_shared_folder(folder: PathLike) -> SharedRun:
    """One shared run: a training that serves models of several sizes.

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
    cost = read_or_note(folder / "cost.json", folder, missing)
    return SharedRun(
        name=meta.get("name") or folder.resolve().name,
        serves=tuple(meta["serves"]),
        seed=meta.get("seed"),
        variant=meta.get("variant") or "",
        after=meta.get("after") or None,
        reference=read_reference(folder, meta),
        training=_training(cost, missing),
        folder=folder.resolve().name,
        missing=tuple(missing),
        more={name: cost.get(key) for name, key in file_values("cost").items()},
    )


def _training(cost: dict[str, Any], missing: list[str]) -> TrainingCost:
    if cost:
        missing += [f"cost.json: {key}" for key in _COST if key not in cost]
    read = {key: cost.get(key) for key in (*_COST, *_OPTIONAL_COST)}
    # Sums over a part of the epochs look like sums.
    if any("cpu_seconds" not in one for one in cost.get("per_epoch") or []):
        read["cpu_seconds"] = None
    cache = (cost.get("once") or {}).get(_CACHE)
    left_out = bool(cache) and "cpu_seconds" not in cache
    return TrainingCost(
        train_flops=read.pop("flops"),
        cpu_without_cache=left_out and read["cpu_seconds"] is not None,
        **read,
    )


def _with_measured(
    row: Row,
    meta: dict[str, Any],
    rtf: dict[str, Any],
    cost: dict[str, Any],
    missing: list[str],
) -> Row:
    """Return the row with what rtf.json says, and with what it lacks noted."""
    measured = {**vars(row.size), **rtf}
    lacking = [key for key in _RTF_KEYS if measured.get(key) is None]
    if lacking and "rtf.json" not in missing:
        missing.append(f"rtf.json: {', '.join(lacking)}")
    load = rtf.get("load_average")
    dual = {key: meta.get(key) for key in _DUAL_MODE_META}
    dual.update({key: rtf.get(key) for key in _STREAMING_RTF})
    has_modes = any(value is not None for value in dual.values())
    more = {key: rtf.get(name) for key, name in file_values("rtf").items()}
    more.update({key: cost.get(name) for key, name in file_values("cost").items()})
    return replace(
        row,
        size=Size(row.size.params, measured["params_nonzero"], measured["file_bytes"]),
        running=Running(
            encoder_rtf=rtf.get("encoder_rtf"),
            rtf_load=load[0] if isinstance(load, list) and load else load,
            rtf_threads=rtf.get("threads"),
            macs_per_audio_second=rtf.get("macs_per_audio_second"),
            macs_audio_seconds=rtf.get("audio_seconds"),
            peak_memory_mb=rtf.get("peak_memory_mb"),
        ),
        dual_mode=DualMode(**dual) if has_modes else None,
        missing=tuple(missing),
        more=more,
    )


def _no_score(
    wanted: str, scores: dict[str, dict[str, Path]], missing: list[str]
) -> dict[str, Any]:
    there = [f"{decoding}/{name}" for decoding in scores for name in scores[decoding]]
    missing.append(f"{wanted}/score_wer (scored: {', '.join(there) or 'nothing'})")
    return {}
