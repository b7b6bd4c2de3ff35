"""Decode and score finished models, and measure their speed."""

import logging
from pathlib import Path
from typing import Sequence

from espnet_plugin.checkpoints.config_files import resolve_paths
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.data.tokens import read_symbols
from espnet_plugin.decode.parts import decode_in_parts
from espnet_plugin.decode.sets import DecodeSet
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.jobs.inputs import digests_file
from espnet_plugin.measure.speed import write_rtf
from espnet_plugin.score.once import ScoreRequest, score_once

__all__ = ["evaluate_model", "measure_speed"]


def evaluate_model(
    folder: Path,
    dump_dir: Path,
    sets: Sequence[str],
    decoding: str = "best_path",
    num_threads: int = 1,
    ngpu: int = 0,
    nj: int = 1,
) -> None:
    """Decode and score sets with a model, unless that is done already.

    It writes ``decode_<decoding>/<set>/{text,token,token_int,score,score.json,...}``.

    Args:
        folder: A model folder with ``meta.json``.
        dump_dir: Folder of the formatted sets (stage 2).
        sets: Names of the sets in ``dump_dir``.
        decoding: ``best_path``, ``prefix`` or, for transducers, ``transducer``.
        num_threads: Number of threads of each process.
        ngpu: Number of GPUs.
        nj: Number of processes among which a set is split.

    Raises:
        UserError: If the model or a set is missing.
    """
    experiment = Experiment(folder)
    wanted = []
    for name in sets:
        source = dump_dir / name
        scp, how = speech_input(source)
        output = experiment.decoded(decoding, name).folder
        wanted.append(DecodeSet(name, [f"{source / scp},speech,{how}"], output))
    decode_in_parts(
        experiment.config_file,
        folder
        / experiment.meta().require(experiment.meta_file, "checkpoint").checkpoint,
        wanted,
        nj,
        method=decoding,
        num_threads=num_threads,
        ngpu=ngpu,
        digests=digests_file(folder),
    )
    ignored = _symbols(experiment)
    for name in sets:
        source, decoded = dump_dir / name, experiment.decoded(decoding, name)
        request = ScoreRequest(
            source / "text",
            decoded.text_file,
            source / "utt2spk",
            dataset=name,
            ignored=ignored,
        )
        score_once(request, decoded)


def _symbols(experiment: Experiment) -> tuple[str, ...]:
    """Return the model's non-linguistic symbols, which ESPnet does not score."""
    config = resolve_paths(read_config(experiment.config_file), experiment.config_file)
    name = config.get("non_linguistic_symbols")
    if not isinstance(name, str) or name == "none":
        return ()
    return read_symbols(name)


def measure_speed(folder: Path, overwrite: bool = False) -> None:
    """Measure the speed of a model and write it to ``rtf.json``, unless it exists.

    A training from which models are cut, such as an EncRL run, is skipped.

    Args:
        folder: Any ESPnet ASR experiment; without ``meta.json`` its best checkpoint is
            measured.
        overwrite: Whether to measure again if ``rtf.json`` exists.
    """
    meta = Experiment(folder).find_meta()
    if meta is not None and meta.checkpoint is None:
        logging.info(
            "%s is skipped in the speed measurement: it is a training, not a model",
            folder,
        )
        return
    write_rtf(folder, meta and meta.checkpoint, overwrite=overwrite)
