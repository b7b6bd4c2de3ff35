"""Measure the speed of a model and count its operations."""

import hashlib
import json
import logging
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any, Optional, Union

import torch
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import file_checksum, read_record, write_json
from espnet_plugin.measure.chunk_speed import chunk_rtf, frames_ms
from espnet_plugin.measure.memory import peak_memory_mb
from espnet_plugin.measure.parameters import count_nonzero, count_parameters
from espnet_plugin.measure.workload import load_with_rate, make_input, recognise

__all__ = ["count_macs", "encoder_rtf", "write_rtf"]

# Parts of the model that are timed, by their names in config.yaml.
_PARTS = ("model", "frontend", "normalize", "preencoder", "encoder", "postencoder")


def count_macs(
    model: ESPnetASRModel, sample_rate: int, audio_seconds: float = 10.0
) -> float:
    """Count the multiply-adds of a forward pass for one second of audio.

    This is half of the operations that torch's counter reports for one utterance:
    matrix products, convolutions and attention, from front end to CTC arg max.
    Element-wise operations and the Fourier transform are not included. The result
    depends on the length of the utterance because of attention. Products with weights
    of zero are counted too.

    Args:
        model: The model; its training mode is restored afterwards.
        sample_rate: Sampling rate in Hz.
        audio_seconds: Length of the utterance.
    """
    speech, lengths = make_input(model, sample_rate, audio_seconds)
    training = model.training
    model.eval()
    try:
        with flop_counter() as counter, torch.no_grad():
            recognise(model, speech, lengths)
    finally:
        model.train(training)
    return counter.get_total_flops() / 2 / audio_seconds


def encoder_rtf(
    model: ESPnetASRModel,
    sample_rate: int,
    audio_seconds: float = 10.0,
    threads: int = 1,
    runs: int = 10,
) -> dict[str, Any]:
    """Measure the real-time factor of front end, encoder and CTC arg max.

    A single utterance is recognised once for warming up and then ``runs`` times; the
    median counts. For a model that takes features, their computation is not included.

    Args:
        model: The model; its mode and its device are left as they were.
        sample_rate: Sampling rate in Hz.
        audio_seconds: Length of the utterance.
        threads: Threads of torch while measuring; restored afterwards.
        runs: Number of measurements.

    Returns:
        ``encoder_rtf`` (seconds of computing per second of audio, less is faster),
        ``runs`` (the factor of each run), ``threads``, ``audio_seconds``,
        ``load_average`` (of the machine, just before), ``cores`` (that this process may
        use; with a higher load the figure is doubtful), ``cpu`` and ``device``.

    Raises:
        UserError: If a number is not positive, or the model has no CTC layer.
    """
    for name, value in (
        ("sample_rate", sample_rate),
        ("audio_seconds", audio_seconds),
        ("threads", threads),
        ("runs", runs),
    ):
        if not value > 0:
            raise UserError(f"{name} {value}: must be more than 0")
    if model.ctc is None and not getattr(model, "use_transducer_decoder", False):
        raise UserError(
            "the model has no CTC layer: model_conf.ctc_weight must be above 0"
        )
    speech, lengths = make_input(model, sample_rate, audio_seconds)
    load = [round(value, 2) for value in os.getloadavg()]
    before, training = torch.get_num_threads(), model.training
    factors = []
    try:
        torch.set_num_threads(threads)
        model.eval()
        with torch.inference_mode():
            for run in range(runs + 1):
                start = time.perf_counter()
                recognise(model, speech, lengths)
                if run:  # the first is the warm-up
                    factors.append((time.perf_counter() - start) / audio_seconds)
    finally:
        torch.set_num_threads(before)
        model.train(training)
    return {
        "encoder_rtf": statistics.median(factors),
        "runs": factors,
        "threads": threads,
        "audio_seconds": audio_seconds,
        "load_average": load,
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu_name(),
        "device": str(speech.device),
    }


def write_rtf(
    model_dir: Union[str, Path],
    model_file: Optional[str] = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Measure the model of an experiment folder and write its ``rtf.json``.

    Besides what :func:`encoder_rtf` returns it holds ``parameters`` (see
    :func:`~espnet_plugin.measure.parameters.count_parameters`), ``params_nonzero``,
    ``macs_per_audio_second`` (see
    :func:`count_macs`; of ``audio_seconds``), ``peak_memory_mb`` (see
    :func:`~espnet_plugin.measure.memory.peak_memory_mb`; null where not known),
    ``checkpoint``, ``file_bytes``, the size of that file, and ``measured``, the digests
    of that file and of what ``config.yaml`` says of the model; of a streaming encoder
    also what :func:`~espnet_plugin.measure.chunk_speed.chunk_rtf` returns.

    Args:
        model_dir: Folder with ``config.yaml`` and a checkpoint.
        model_file: Name of the checkpoint; the best by default.
        overwrite: Measure again where ``rtf.json`` is of the same model.
        options: Keyword arguments of :func:`encoder_rtf`.

    Returns:
        The path of ``rtf.json``.
    """
    model_dir = Path(model_dir)
    experiment = Experiment(model_dir)
    output = experiment.speed_file
    checkpoint = choose_checkpoint(model_dir, model_file)
    measured = _measured_model(experiment, checkpoint)
    if not overwrite and _is_current(output, checkpoint, measured):
        logging.info("%s exists already", output)
        return output
    model, rate = load_with_rate(model_dir, checkpoint)
    result = encoder_rtf(model, rate, **options)
    seconds = result["audio_seconds"]
    result["parameters"] = count_parameters(model)
    result["params_nonzero"] = count_nonzero(model)
    result["macs_per_audio_second"] = count_macs(model, rate, seconds)
    result["peak_memory_mb"] = peak_memory_mb(
        model_dir, checkpoint.name, seconds, result["threads"]
    )
    if isinstance(model.encoder, DualModeConformerEncoder):
        if model.encoder.mode == "streaming":
            hop_ms = frames_ms(experiment.config())["hop_ms"]
            result.update(chunk_rtf(model.encoder, hop_ms, threads=result["threads"]))
    result["checkpoint"] = checkpoint.name
    result["measured"] = measured
    result["file_bytes"] = checkpoint.stat().st_size
    write_json(output, result)
    logging.info(
        "%s: real-time factor %.4f on %d thread(s), %.2f million parameters",
        model_dir,
        result["encoder_rtf"],
        result["threads"],
        result["parameters"]["total"] / 1e6,
    )
    return output


def _measured_model(experiment: Experiment, checkpoint: Path) -> dict[str, str]:
    """Return digests of the weights, and of the parts of the model."""
    config = experiment.config()
    parts = {
        name: value
        for name, value in config.items()
        if name.removesuffix("_conf") in _PARTS
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return {
        "checkpoint": file_checksum(checkpoint),
        "config": hashlib.sha256(text.encode()).hexdigest(),
    }


def _is_current(output: Path, checkpoint: Path, measured: dict[str, str]) -> bool:
    """Return whether the speed of this model is known."""
    known = read_record(output)
    if not known or known.get("checkpoint", checkpoint.name) != checkpoint.name:
        return False
    if "measured" in known:
        return known["measured"] == measured
    # Earlier versions recorded no digests.
    return output.stat().st_mtime >= checkpoint.stat().st_mtime


def cpu_name() -> str:
    """Return the processor's model as the system calls it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"
