"""How fast an encoder is on one thread, how much it computes, and how large it is."""

import logging
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any, Optional, Union

import humanfriendly
import numpy as np
import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from torch.utils.flop_counter import FlopCounterMode

from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.transducer import GreedySearch
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import write_json
from espnet_plugin.measure.chunk_speed import chunk_rtf, frames_ms
from espnet_plugin.measure.memory import peak_memory_mb

__all__ = [
    "count_macs",
    "count_nonzero",
    "count_parameters",
    "encoder_rtf",
    "load_with_rate",
    "recognise",
    "speech_like_noise",
    "test_input",
    "write_rtf",
]

# Of features computed beforehand: Kaldi's shift of 10 ms.
_FRAMES_PER_SECOND = 100


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    """Count the values of the parameters, in all and by part of the model.

    Returns:
        ``total``, and the number in each child module that has any, e.g. ``encoder``,
        ``ctc``. Buffers (statistics) are not counted.
    """
    counts = {"total": sum(item.numel() for item in model.parameters())}
    for name, child in model.named_children():
        size = sum(item.numel() for item in child.parameters())
        if size:
            counts[name] = size
    return counts


def count_nonzero(model: torch.nn.Module) -> int:
    """Count the values of the parameters that are not exactly zero."""
    return sum(int(torch.count_nonzero(item)) for item in model.parameters())


def test_input(
    model: ESPnetASRModel, sample_rate: int, audio_seconds: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make one utterance for a model, on its device.

    Returns:
        ``(1, samples)``, or ``(1, frames, width)`` of random features for a model that
        has no front end, and its length ``(1,)``.
    """
    device = next(model.parameters()).device
    if model.frontend is not None:
        speech = speech_like_noise(sample_rate, audio_seconds)
    else:
        frames = int(round(audio_seconds * _FRAMES_PER_SECOND))
        generator = torch.Generator().manual_seed(0)
        speech = torch.randn(frames, _input_size(model), generator=generator)
    speech = speech[None].to(device)
    return speech, torch.tensor([speech.size(1)], device=device)


# Pytest must not take it for a test where it is imported.
test_input.__test__ = False


def recognise(
    model: ESPnetASRModel, speech: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Run front end, normalisation, encoder and CTC arg max: what is measured here.

    With a transducer its greedy search takes the place of the arg max.

    Args:
        model: In evaluation mode, with a CTC layer or a transducer.
        speech: ``(batch, samples)`` or ``(batch, frames, width)``.
        lengths: ``(batch,)``.

    Returns:
        The best token of each frame, ``(batch, frames)``, on the CPU: reading the
        result waits for a GPU. Of a transducer, the tokens of the first utterance.
    """
    encoded, _ = model.encode(speech, lengths)
    if isinstance(encoded, tuple):
        encoded = encoded[0]
    if getattr(model, "use_transducer_decoder", False):
        search = GreedySearch(model.decoder, model.joint_network, model.blank_id)
        return torch.tensor([search.advance(encoded[0])[0]])
    return model.ctc.argmax(encoded).cpu()


def count_macs(
    model: ESPnetASRModel, sample_rate: int, audio_seconds: float = 10.0
) -> float:
    """Count the multiply-adds of a forward pass for one second of audio.

    Half of what torch's counter says for one utterance: matrix products, convolutions
    and attention from front end to CTC arg max. Element-wise work and the Fourier
    transform are not in it. Attention grows with the length, so the length belongs to
    the figure. A product with a weight of zero counts as any other.

    Args:
        model: Its mode is left as it was.
        sample_rate: In Hz.
        audio_seconds: Length of the utterance.
    """
    speech, lengths = test_input(model, sample_rate, audio_seconds)
    training = model.training
    model.eval()
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            recognise(model, speech, lengths)
    finally:
        model.train(training)
    return counter.get_total_flops() / 2 / audio_seconds


def speech_like_noise(sample_rate: int, seconds: float, seed: int = 0) -> torch.Tensor:
    """Make noise with the spectrum and the syllable rhythm of speech, roughly.

    Digital silence would do too for most models, but not for those that trim blank
    frames, and denormal numbers slow some processors down.

    Returns:
        ``(samples,)``, at most 0.3 in magnitude.
    """
    rng = np.random.default_rng(seed)
    count = int(round(sample_rate * seconds))
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / sample_rate)
    # Flat up to 500 Hz and falling by 6 dB an octave, as speech does on average.
    wave = np.fft.irfft(spectrum / np.maximum(hertz, 500.0), n=count)
    # Four syllables a second.
    wave *= 0.55 + 0.45 * np.sin(2 * np.pi * 4.0 * np.arange(count) / sample_rate)
    wave *= 0.3 / max(np.abs(wave).max(), 1e-12)
    return torch.from_numpy(wave.astype(np.float32))


def encoder_rtf(
    model: ESPnetASRModel,
    sample_rate: int,
    audio_seconds: float = 10.0,
    threads: int = 1,
    runs: int = 10,
) -> dict[str, Any]:
    """Measure front end, normalisation, encoder and CTC arg max against real time.

    One utterance alone, one warm-up, then the median of ``runs``. For a model that
    takes features, those are given and their computation is not measured.

    Args:
        model: Its mode and its device are left as they were.
        sample_rate: In Hz.
        audio_seconds: Length of the utterance.
        threads: Threads of torch while measuring; restored afterwards.
        runs: How many times.

    Returns:
        ``encoder_rtf`` (seconds of computing per second of audio, less is faster),
        ``runs`` (the factor of each run), ``threads``, ``audio_seconds``,
        ``load_average`` (of the machine, before; more than ``threads`` free cores'
        worth makes the figure doubtful), ``cpu`` and ``device``.

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
        raise UserError("the model has no CTC layer: ctc_weight must be more than 0")
    speech, lengths = test_input(model, sample_rate, audio_seconds)
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
    :func:`count_parameters`), ``params_nonzero``, ``macs_per_audio_second`` (see
    :func:`count_macs`; of ``audio_seconds``), ``peak_memory_mb`` (see
    :func:`~espnet_plugin.measure.memory.peak_memory_mb`; null where not known),
    ``checkpoint`` and ``file_bytes``, the size of that file; of a streaming encoder
    also what :func:`~espnet_plugin.measure.chunk_speed.chunk_rtf` returns.

    Args:
        model_dir: With ``config.yaml`` and a checkpoint.
        model_file: Name of the checkpoint; the best by default.
        overwrite: Measure again where ``rtf.json`` is newer than the checkpoint.
        options: Of :func:`encoder_rtf`.

    Returns:
        The path of ``rtf.json``.
    """
    model_dir = Path(model_dir)
    experiment = Experiment(model_dir)
    output = experiment.speed_file
    checkpoint = choose_checkpoint(model_dir, model_file)
    newest = checkpoint.stat().st_mtime
    if not overwrite and output.is_file() and output.stat().st_mtime >= newest:
        logging.info("%s is there already", output)
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


def load_with_rate(model_dir: Path, checkpoint: Path) -> tuple[ESPnetASRModel, int]:
    """Load a model, and find the sample rate its front end expects, in Hz."""
    model, args = load_asr_model(Experiment(model_dir).config_file, checkpoint)
    rate = (getattr(args, "frontend_conf", None) or {}).get("fs", 16000)
    return model, humanfriendly.parse_size(rate) if isinstance(rate, str) else rate


def cpu_name() -> str:
    """Return the processor's model as the system calls it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def _input_size(model: ESPnetASRModel) -> int:
    mean = getattr(model.normalize, "mean", None)
    if mean is not None:
        return mean.numel()
    embed = model.encoder.embed
    if hasattr(embed, "conv"):
        # The layer after the convolutions keeps no trace of the input's width.
        raise UserError("a model of features needs global_mvn for its input width")
    return next(m for m in embed.modules() if hasattr(m, "in_features")).in_features
