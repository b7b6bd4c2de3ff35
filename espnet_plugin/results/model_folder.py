"""Read a row or a shared run from an experiment folder."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from espnet_plugin.checkpoints.depth import encoder_depth
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DECODE_PREFIX
from espnet_plugin.experiment.exported import ExportedFile, read_exports
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.experiment.records import read_keys
from espnet_plugin.files import file_checksum
from espnet_plugin.results.espnet_folder import (
    ScoredSets,
    choose_decoding,
    choose_set,
    count_sizes,
    read_identity,
    read_times,
)
from espnet_plugin.results.folder_file import read_or_note
from espnet_plugin.results.metrics import file_values
from espnet_plugin.results.other_data import NOT_OF_TODAY, CurrentSets
from espnet_plugin.results.read_score import Score, ScoreChoice, quality_of, read_score
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
from espnet_plugin.results.teacher_cache import with_cache_apart

__all__ = ["read_espnet_folder", "read_model_folder", "read_shared_folder"]

PathLike = Union[str, Path]
# A row, and its test set if that is known.
Found = tuple[Row, Optional[TestSet]]

# Defaults for folders of this plugin.
_DEFAULT_DECODING = "best_path"
_DEFAULT_TEST_SET = "test"
_REQUIRED_META = ("method", "layers", "seed")
# Keys of cost.json. The optional ones are not reported as missing, because not every
# stage measures them.
_COST = ("train_seconds", "flops", "teacher_flops", "audio_seconds", "epochs")
_OPTIONAL_COST = ("valid_seconds", "cpu_seconds")
# Entry of cost.json for which earlier versions did not record processor time.
_CACHE = "teacher_cache"
# Keys of rtf.json that are missing in files of earlier versions.
_RTF_KEYS = ("params_nonzero", "file_bytes", "macs_per_audio_second", "peak_memory_mb")
# Keys that only recognisers with two modes have.
_DUAL_MODE_META = ("mode", "sparsity", "latency_ms", "blocks_file_bytes")
_STREAMING_RTF = ("chunk_rtf", "chunk_ms", "chunk_audio_ms")


def read_model_folder(
    folder: PathLike,
    choice: ScoreChoice = ScoreChoice(),
    current: Optional[CurrentSets] = None,
) -> Found:
    """Read a row from the folder of a finished model of this plugin.

    Args:
        folder: Folder with meta.json and optionally cost.json, rtf.json, train.log and
            ``decode_<decoding>/<set>/score.json``.
        choice: Which scores are used.
        current: The sets of ``choice.dump_dir``, if many models are read.

    Raises:
        UserError: If meta.json is missing or has no method, layers or seed, or a file
            is not JSON.
    """
    experiment = Experiment(folder)
    folder = experiment.folder
    decoding = (choice.decoding or _DEFAULT_DECODING).removeprefix(DECODE_PREFIX)
    meta = experiment.meta().require(experiment.meta_file, *_REQUIRED_META)
    missing: list[str] = []
    if choice.dump_dir is not None and current is None:
        current = CurrentSets(choice.dump_dir)
    test_set = _DEFAULT_TEST_SET if choice.test_set is None else choice.test_set
    quality, names = quality_of(
        *(
            _score_of_today(experiment, decoding, name, current, missing)
            for name in (test_set, choice.dev_set)
        )
    )
    layers = meta.layers
    if layers == 0 and experiment.config_file.is_file():
        layers = encoder_depth(experiment.config())  # earlier versions: 0 for Whisper
    variant, size = variant_and_size(meta.variant, layers, meta.size)
    identity = Identity(
        method=meta.method,
        variant=variant,
        layers=layers,
        size=size,
        seed=meta.seed,
        width=meta.size_width,
        folder=experiment.name,
        checkpoint=meta.checkpoint,
        shared_run=meta.shared,
        reference=read_reference(experiment, meta),
        decoding=decoding,
    )
    rtf = read_or_note(experiment.speed_file, folder, missing)
    # What an imported model has cost is not known here, and is not missing.
    imported = meta.source is not None and not experiment.cost_file.exists()
    unknown = [] if imported else missing
    cost = read_or_note(experiment.cost_file, folder, unknown)
    training = _training(cost, experiment, missing)
    if meta.params is None:
        missing.append(f"{experiment.meta_file.name}: params")
    row = Row(identity, Size(params=meta.params), quality, training)
    return _with_measured(row, experiment, meta, rtf, cost, missing), names


def _score_of_today(
    experiment: Experiment,
    decoding: str,
    name: str,
    current: Optional[CurrentSets],
    missing: list[str],
) -> Score:
    """Read a score; empty if its data has changed since, or no set is named."""
    if not name:
        return {}
    decoded = experiment.decoded(decoding, name)
    if current is not None:
        file = experiment.meta().checkpoint
        checkpoint = experiment.folder / file if file else None
        if checkpoint is not None and not checkpoint.is_file():
            checkpoint = None
        changed = current.why_old(decoded, experiment.folder, checkpoint)
        if changed is not None:
            missing.append(
                f"{NOT_OF_TODAY} {name!r} as it is now: {changed} since it was "
                "scored; run the stage that decodes again (7, or 8 for baselines)"
            )
            return {}
    return read_score(decoded, experiment.folder, missing)


def read_espnet_folder(folder: PathLike, choice: ScoreChoice = ScoreChoice()) -> Found:
    """Read a row from any ESPnet ASR experiment folder without meta.json.

    The method is ``espnet`` and the variant the name of the folder. Scores are read
    from score.json or computed from ESPnet's ``score_wer/{ref,hyp}.trn``, parameters
    are read from rtf.json or counted in the checkpoint, and training time is read from
    cost.json or train.log.

    Args:
        folder: Folder with config.yaml.
        choice: Which scores are used.

    Raises:
        UserError: If config.yaml is missing or not that of an ASR model, or several
            decodings or sets are possible and none is named.
    """
    experiment = Experiment(folder)
    folder = experiment.folder
    missing: list[str] = []
    identity = read_identity(folder, missing)
    scores = experiment.scored()
    chosen = choose_decoding(folder, scores, choice.decoding)
    sets = choice.test_set, choice.dev_set
    chosen_sets = choose_set(folder, scores.get(chosen, {}), *sets)
    test, dev = (
        (
            read_score(decoded, folder, missing)
            if decoded is not None
            else _no_score(f"{chosen}/{name}", scores, missing)
        )
        for decoded, name in zip(chosen_sets, (sets[0] or "*", sets[1]))
    )
    quality, names = quality_of(test, dev)
    rtf: dict[str, Any] = {}
    if experiment.speed_file.exists():
        rtf = read_or_note(experiment.speed_file, folder, missing)
    size = Size(params=(rtf.get("parameters") or {}).get("total"))
    if size.params is None and identity.checkpoint is not None:
        size = count_sizes(folder, identity.checkpoint)
    if not experiment.speed_file.exists():
        missing.append(experiment.speed_file.name)
    if size.params is None:
        missing.append("number of parameters")
    cost = read_or_note(experiment.cost_file, folder, missing)
    training = _training(cost, experiment, missing)
    if training.train_seconds is None:
        training = replace(training, **read_times(folder))
    identity = replace(identity, decoding=chosen.removeprefix(DECODE_PREFIX))
    row = Row(identity, size, quality, training)
    return _with_measured(row, experiment, Meta(), rtf, cost, missing), names


def read_shared_folder(folder: PathLike) -> tuple[SharedRun, ...]:
    """Read a shared run: a training for models of several sizes.

    If it used a teacher cache, that is returned as a second run.

    Raises:
        UserError: If meta.json is missing or has no ``serves``.
    """
    experiment = Experiment(folder)
    meta = experiment.meta()
    if not meta.serves:
        raise UserError(
            f"{experiment.meta_file} lacks 'serves', the numbers of layers that this "
            "training is for: add it, e.g. [6, 4, 2]"
        )
    missing: list[str] = []
    cost = read_or_note(experiment.cost_file, experiment.folder, missing)
    run = SharedRun(
        name=meta.name or experiment.name,
        serves=meta.serves,
        seed=meta.seed,
        variant=meta.variant,
        after=meta.after or None,
        reference=read_reference(experiment, meta),
        training=_training(cost, experiment, missing),
        folder=experiment.name,
        missing=tuple(missing),
        more={name: cost.get(key) for name, key in file_values("cost").items()},
    )
    return tuple(filter(None, with_cache_apart(run, cost)))


def _training(
    cost: dict[str, Any], experiment: Experiment, missing: list[str]
) -> TrainingCost:
    if cost:
        name = experiment.cost_file.name
        missing += [f"{name}: {key}" for key in _COST if key not in cost]
    read = {key: cost.get(key) for key in (*_COST, *_OPTIONAL_COST)}
    # The sum over only some of the epochs would be too small.
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
    experiment: Experiment,
    meta: Meta,
    rtf: dict[str, Any],
    cost: dict[str, Any],
    missing: list[str],
) -> Row:
    """Return the row with the values of rtf.json, and note missing values."""
    measured = {**vars(row.size), **rtf}
    lacking = [key for key in _RTF_KEYS if measured.get(key) is None]
    name = experiment.speed_file.name
    if lacking and name not in missing:
        missing.append(f"{name}: {', '.join(lacking)}")
    load = rtf.get("load_average")
    dual = {key: getattr(meta, key) for key in _DUAL_MODE_META}
    dual.update({key: rtf.get(key) for key in _STREAMING_RTF})
    has_modes = any(value is not None for value in dual.values())
    more = {key: rtf.get(name) for key, name in file_values("rtf").items()}
    more.update({key: cost.get(name) for key, name in file_values("cost").items()})
    of_checkpoint = _of_checkpoint(row, experiment)
    more.update(of_checkpoint.confidence)
    return replace(
        row,
        exports=of_checkpoint.exports,
        size=Size(row.size.params, measured["params_nonzero"], measured["file_bytes"]),
        running=Running(
            encoder_rtf=rtf.get("encoder_rtf"),
            rtf_load=load[0] if isinstance(load, list) and load else load,
            rtf_threads=rtf.get("threads"),
            rtf_cores=rtf.get("cores"),
            macs_per_audio_second=rtf.get("macs_per_audio_second"),
            macs_audio_seconds=rtf.get("audio_seconds"),
            peak_memory_mb=rtf.get("peak_memory_mb"),
        ),
        dual_mode=DualMode(**dual) if has_modes else None,
        missing=tuple(missing),
        more=more,
    )


@dataclass(frozen=True)
class _OfCheckpoint:
    """Further results in the folder that belong to this checkpoint."""

    exports: tuple[ExportedFile, ...] = ()
    confidence: Mapping[str, float] = field(default_factory=dict)


def _of_checkpoint(row: Row, experiment: Experiment) -> _OfCheckpoint:
    """Read the measurements of exports and of the confidence of words."""
    checkpoint = experiment.folder / (row.identity.checkpoint or "")
    there = experiment.exports.is_dir() or experiment.confidence_file.is_file()
    if not there or not checkpoint.is_file():
        return _OfCheckpoint()
    digest = file_checksum(checkpoint)
    exports = read_exports(experiment.exports, digest)
    if not experiment.confidence_file.is_file():
        return _OfCheckpoint(exports)
    content = read_keys(experiment.confidence_file)
    if content.get("checkpoint_sha256") != digest:
        logging.warning(
            "%s belongs to a different checkpoint and is left out: run python -m "
            "espnet_plugin.bin.confidence again",
            experiment.confidence_file,
        )
        return _OfCheckpoint(exports)
    keys = file_values("confidence")
    known = {name: content.get(key) for name, key in keys.items()}
    return _OfCheckpoint(exports, {n: v for n, v in known.items() if v is not None})


def _no_score(wanted: str, scores: ScoredSets, missing: list[str]) -> dict[str, Any]:
    there = [f"{decoding}/{name}" for decoding in scores for name in scores[decoding]]
    missing.append(f"{wanted}/score_wer (scored: {', '.join(there) or 'nothing'})")
    return {}
