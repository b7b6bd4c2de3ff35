"""Export a finished streaming model to a folder that a device can use."""

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Mapping, Optional

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.card_json import CARD, card_json
from espnet_plugin.export.dev import DevSet, read_dev
from espnet_plugin.export.folder import META, OWN_FILES, check_target, whole_folder
from espnet_plugin.export.int8 import log_int8, quantise_within_loss, without_int8
from espnet_plugin.export.measured import exported_file, short_utterance
from espnet_plugin.export.meta import file_table
from espnet_plugin.export.provenance import provenance_of
from espnet_plugin.export.run_check import compare_texts
from espnet_plugin.export.runtime import check_packages, is_installed
from espnet_plugin.export.script_run import RunnerFailed
from espnet_plugin.export.scripts import copy_script
from espnet_plugin.export.streaming.card import onnx_card, sherpa_card
from espnet_plugin.export.streaming.chunk_graph import ChunkGraph
from espnet_plugin.export.streaming.describe import describe_stream, stream_metadata
from espnet_plugin.export.streaming.dev import check_stream_dev, stream_trial
from espnet_plugin.export.streaming.front_end import PieceFrontEnd, framing_of
from espnet_plugin.export.streaming.sherpa import INT8 as SHERPA_INT8
from espnet_plugin.export.streaming.sherpa import (
    LEAST_SAME,
    MODEL,
    RUNNER,
    WrittenSherpa,
    fill_sherpa,
)
from espnet_plugin.export.streaming.sherpa_trial import (
    check_sherpa_int8,
    sherpa_texts,
    sherpa_trial,
)
from espnet_plugin.export.streaming.source import (
    StreamingSource,
    load_streaming_source,
)
from espnet_plugin.export.streaming.verify import check_stream
from espnet_plugin.export.target_names import STREAMING_TARGETS
from espnet_plugin.export.timing.measure import LENGTHS_S, Workload, measure_file
from espnet_plugin.export.trial import TrialOptions
from espnet_plugin.export.verify import check_file, log_dev
from espnet_plugin.export.write import write_graph
from espnet_plugin.files import write_json, write_lines, write_text
from espnet_plugin.measure.workload import speech_like_noise

__all__ = ["CHUNK", "FRONT_END", "INT8", "export_streaming"]

CHUNK = "chunk.onnx"
INT8 = "chunk.int8.onnx"
FRONT_END = "front_end.onnx"
_RUNNER = Path(__file__).with_name("recognise.py")


def export_streaming(
    experiment: Path,
    target: str = "onnx",
    output_dir: Optional[Path] = None,
    model_file: Optional[str] = None,
    fbank_rate: Optional[int] = None,
    chunk_frames: Optional[int] = None,
    calibration: Optional[Path] = None,
    trial: TrialOptions = TrialOptions(),
) -> Path:
    """Export a streaming model, check the files, and then move them to their folder.

    Args:
        experiment: Folder of the model cut out for the device, or of a supernet.
        target: One of ``STREAMING_TARGETS``.
        output_dir: The folder to write; ``export/TARGET`` in the experiment if not
            given.
        model_file: Name of the checkpoint; that of ``bin/recognise`` if not given.
        fbank_rate: Sampling rate in Hz of a model that takes this plugin's Kaldi filter
            banks.
        chunk_frames: Encoder frames a chunk; if None, the encoder's first option.
        calibration: Kaldi data folder. For ``sherpa-onnx`` and a model of audio alone:
            features of its kind are mapped to the model's by a matrix fitted on it.
        trial: How the export is tried and measured.

    Returns:
        The folder.

    Raises:
        UserError: If the model cannot be exported, or the export is not the model.
    """
    if target not in STREAMING_TARGETS:
        raise UserError(
            f"--target {target}: must be one of {', '.join(STREAMING_TARGETS)} for the "
            f"streaming model {experiment}"
        )
    check_packages("onnx", "onnxruntime")
    started = time.monotonic()
    source = load_streaming_source(experiment, model_file, fbank_rate, chunk_frames)
    folder = output_dir or Experiment(experiment).exports / target
    check_target(folder, source.facts, target, experiment)
    if target == "onnx" and calibration is not None:
        raise UserError(
            f"--calibration {calibration}: --target onnx uses the model's own front "
            "end; leave the option out"
        )
    dev = None
    if trial.dev is not None:
        dev = read_dev(trial.dev, source.facts.sample_rate, trial.dev_utterances)
    with whole_folder(folder, OWN_FILES) as new:
        if target == "onnx":
            _fill(new, source, experiment, dev, trial)
        else:
            written = fill_sherpa(new, source, experiment, calibration)
            _finish_sherpa(new, source, experiment, written, dev, trial)
    logging.info("%s, in %.0f s", folder, time.monotonic() - started)
    return folder


def _fill(
    new: Path,
    source: StreamingSource,
    experiment: Path,
    dev: Optional[DevSet],
    trial: TrialOptions,
) -> None:
    graph, framing = ChunkGraph(source), framing_of(source)
    metadata = stream_metadata(source)
    write_graph(
        graph, graph.example(), new / CHUNK, graph.inputs, graph.outputs, metadata
    )
    write_graph(
        PieceFrontEnd(source),
        (0.1 * torch.randn(1, framing.size + 7 * framing.hop),),
        new / FRONT_END,
        ["samples"],
        ["features"],
        metadata,
        {"samples": {1: "samples"}, "features": {1: "frames"}},
    )
    for name in (CHUNK, FRONT_END):
        check_file(new / name, [experiment, new])
    write_lines(
        new / "tokens.txt", (f"{t} {n}" for n, t in enumerate(source.facts.tokens))
    )
    copy_script(_RUNNER, new)
    meta = replace(
        describe_stream(source, "onnx", _streaming(graph)),
        framing=asdict(framing),
        made=provenance_of(experiment, trial.license).to_json(),
    )
    write_json(new / META, meta.to_json())  # the runner reads it
    parity = check_stream(source, new)
    logging.info(
        "log-probabilities differ from stream()'s by at most %.1e, and the tokens "
        "are the same (%d utterances of up to %.1f s)",
        parity.max_difference,
        parity.same_tokens,
        max(parity.lengths) / source.facts.sample_rate,
    )
    verified = {"parity": asdict(parity)}
    texts: dict[str, Mapping[str, str]] = {}
    if dev is not None:
        compared, texts[CHUNK] = check_stream_dev(source, new, CHUNK, dev)
        log_dev(compared)
        verified["dev"] = asdict(compared)
        if trial.int8:
            gate = stream_trial(new, dev)
            result, said = quantise_within_loss(
                gate, new / CHUNK, new / INT8, dev, trial.max_wer_loss
            )
            log_int8(INT8, result)
            meta = replace(meta, int8=asdict(result))
            if result.accepted:
                check_file(new / INT8, [experiment, new])
                texts[INT8] = said
    measured = {}
    for name in (CHUNK, INT8):
        if (new / name).is_file():
            timed = None
            if trial.measure:
                work = _workload(source, new / _RUNNER.name, dev, texts, trial)
                timed = measure_file(name, work)
            paths = [new / name, new / FRONT_END]
            one = exported_file(paths, dev, texts.get(name), timed)
            measured[name] = one.to_json()
    meta = replace(meta, verified=verified, measured=measured, files=_files(new))
    write_json(new / META, meta.to_json())
    write_text(new / "README.md", onnx_card(meta))
    write_json(new / CARD, card_json(meta))


def _finish_sherpa(
    new: Path,
    source: StreamingSource,
    experiment: Path,
    written: WrittenSherpa,
    dev: Optional[DevSet],
    trial: TrialOptions,
) -> None:
    """Quantise, add the measurements to ``meta.json``, write the cards."""
    meta, verified = written.meta, dict(written.meta.verified)
    texts: dict[str, Mapping[str, str]] = {}
    if dev is not None:
        gate = sherpa_trial(source, written, dev, trial.num_threads)
        texts[MODEL] = gate.texts(new / MODEL)
        rate, spoken = source.facts.sample_rate, {}
        if is_installed("sherpa_onnx"):
            spoken = sherpa_texts(new, MODEL, dev, rate)
            ran = compare_texts(RUNNER, MODEL, dev, texts[MODEL], spoken, LEAST_SAME)
            verified["runner"] = [asdict(ran)]
        if trial.int8:
            result, said = quantise_within_loss(
                gate, new / MODEL, new / SHERPA_INT8, dev, trial.max_wer_loss
            )
            log_int8(SHERPA_INT8, result)
            if result.accepted:
                check_file(new / SHERPA_INT8, [experiment, new])
                try:
                    if spoken:
                        other = sherpa_texts(new, SHERPA_INT8, dev, rate)
                        check_sherpa_int8(dev, spoken, other, trial.max_wer_loss)
                    texts[SHERPA_INT8] = said
                except RunnerFailed as error:
                    # The file in 32 bits is good, so it is kept, as with word errors.
                    result = without_int8(new / SHERPA_INT8, result, error.reason)
            meta = replace(meta, int8=asdict(result), files=_files(new))
    measured = {}
    for name in (MODEL, SHERPA_INT8):
        if not (new / name).is_file():
            continue
        timed = None
        if trial.measure and is_installed("sherpa_onnx"):
            script = new / "run_sherpa.py"
            timed = measure_file(name, _workload(source, script, dev, {}, trial))
        one = exported_file([new / name], dev, texts.get(name), timed)
        measured[name] = one.to_json()
    made = provenance_of(experiment, trial.license).to_json()
    meta = replace(meta, verified=verified, measured=measured, made=made)
    write_json(new / META, meta.to_json())
    write_text(new / "README.md", sherpa_card(meta))
    write_json(new / CARD, card_json(meta))


def _files(new: Path) -> dict[str, dict[str, Any]]:
    """Return the table of all files but ``meta.json``, which contains it."""
    return {name: one for name, one in file_table(new).items() if name != META}


def _workload(
    source: StreamingSource,
    script: Path,
    dev: Optional[DevSet],
    texts: Mapping[str, Mapping[str, str]],
    trial: TrialOptions,
) -> Workload:
    rate = source.facts.sample_rate
    spoken = texts.get(CHUNK) or ({} if dev is None else dev.text)
    return Workload(
        script,
        speech_like_noise(rate, max(LENGTHS_S)).numpy(),
        short_utterance(rate, dev, spoken),
        rate,
        rate,
        block=source.chunking.chunk * source.facts.stride * source.facts.hop,
        threads=trial.num_threads,
    )


def _streaming(graph: ChunkGraph) -> Mapping[str, Any]:
    return {
        "frames": graph.frames,
        "shift": graph.shift,
        "features": graph.features,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "caches": [asdict(cache) for cache in graph.caches],
    }
