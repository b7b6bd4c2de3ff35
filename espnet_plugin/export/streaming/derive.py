"""From a finished streaming model to a folder that a device can use."""

import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Mapping, Optional

import torch

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.export.folder import META, check_target, whole_folder
from espnet_plugin.export.meta import file_table
from espnet_plugin.export.runtime import check_packages
from espnet_plugin.export.streaming.card import onnx_card
from espnet_plugin.export.streaming.chunk_graph import ChunkGraph
from espnet_plugin.export.streaming.describe import describe_stream, stream_metadata
from espnet_plugin.export.streaming.front_end import PieceFrontEnd, framing_of
from espnet_plugin.export.streaming.sherpa import fill_sherpa
from espnet_plugin.export.streaming.source import (
    StreamingSource,
    load_streaming_source,
)
from espnet_plugin.export.streaming.verify import check_stream
from espnet_plugin.export.target_names import STREAMING_TARGETS
from espnet_plugin.export.verify import check_file
from espnet_plugin.export.write import write_graph
from espnet_plugin.files import write_json, write_lines, write_text

__all__ = ["CHUNK", "FRONT_END", "export_streaming"]

CHUNK = "chunk.onnx"
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
) -> Path:
    """Export a streaming model, check what was written, then put it into its place.

    Args:
        experiment: Folder of what was cut out for the device, or of a supernet.
        target: One of ``STREAMING_TARGETS``.
        output_dir: The folder to write; ``export/TARGET`` in the experiment if not
            given.
        model_file: Name of the checkpoint; that of ``bin/recognise`` if not given.
        fbank_rate: Sampling rate in Hz of a model that takes this plugin's Kaldi filter
            banks.
        chunk_frames: Encoder frames a chunk; if None, the encoder's first option.
        calibration: Kaldi data folder. For ``sherpa-onnx`` and a model of audio alone:
            features of its kind are mapped to the model's by a matrix fitted on it.

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
    check_target(folder, source.facts, target)
    if target == "onnx" and calibration is not None:
        raise UserError(
            f"--calibration {calibration}: target onnx has the model's own front end; "
            "leave the option out"
        )
    with whole_folder(folder) as new:
        if target == "onnx":
            _fill(new, source, experiment)
        else:
            fill_sherpa(new, source, experiment, calibration)
    logging.info("%s, in %.0f s", folder, time.monotonic() - started)
    return folder


def _fill(new: Path, source: StreamingSource, experiment: Path) -> None:
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
    shutil.copy(_RUNNER, new / _RUNNER.name)
    meta = describe_stream(source, "onnx", _streaming(graph), {})
    meta["framing"] = asdict(framing)
    write_json(new / META, meta)  # the runner reads it
    parity = check_stream(source, new)
    logging.info(
        "log-probabilities differ from stream()'s by %.1e at most, %d utterances of "
        "up to %.1f s: the same tokens",
        parity.max_difference,
        parity.same_tokens,
        max(parity.lengths) / source.facts.sample_rate,
    )
    meta["verified"] = {"parity": asdict(parity)}
    meta["files"] = file_table(new)
    del meta["files"][META]
    write_json(new / META, meta)
    write_text(new / "README.md", onnx_card(meta))


def _streaming(graph: ChunkGraph) -> Mapping[str, Any]:
    return {
        "frames": graph.frames,
        "shift": graph.shift,
        "features": graph.features,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "caches": [asdict(cache) for cache in graph.caches],
    }
