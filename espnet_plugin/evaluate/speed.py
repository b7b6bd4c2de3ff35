"""How fast an encoder is: its real-time factor on one thread, and its size."""

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

from espnet_plugin.errors import UserError
from espnet_plugin.export.checkpoint import choose_checkpoint
from espnet_plugin.export.load import load_asr_model
from espnet_plugin.files import write_json

__all__ = ["count_parameters", "encoder_rtf", "speech_like_noise", "write_rtf"]

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
    if model.ctc is None:
        raise UserError("the model has no CTC layer: ctc_weight must be more than 0")
    device = next(model.parameters()).device
    if model.frontend is not None:
        speech = speech_like_noise(sample_rate, audio_seconds)
    else:
        frames = int(round(audio_seconds * _FRAMES_PER_SECOND))
        generator = torch.Generator().manual_seed(0)
        speech = torch.randn(frames, _input_size(model), generator=generator)
    speech = speech[None].to(device)
    lengths = torch.tensor([speech.size(1)], device=device)
    load = [round(value, 2) for value in os.getloadavg()]
    before, training = torch.get_num_threads(), model.training
    factors = []
    try:
        torch.set_num_threads(threads)
        model.eval()
        with torch.inference_mode():
            for run in range(runs + 1):
                start = time.perf_counter()
                encoded, _ = model.encode(speech, lengths)
                if isinstance(encoded, tuple):
                    encoded = encoded[0]
                # Reading the result waits for a GPU.
                model.ctc.argmax(encoded).cpu()
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
        "device": str(device),
    }


def write_rtf(
    model_dir: Union[str, Path],
    model_file: Optional[str] = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Measure the model of an experiment folder and write its ``rtf.json``.

    Args:
        model_dir: With ``config.yaml`` and a checkpoint.
        model_file: Name of the checkpoint; the best by default.
        overwrite: Measure again where ``rtf.json`` is newer than the checkpoint.
        options: Of :func:`encoder_rtf`.

    Returns:
        The path of ``rtf.json``.
    """
    model_dir = Path(model_dir)
    output = model_dir / "rtf.json"
    checkpoint = choose_checkpoint(model_dir, model_file)
    newest = checkpoint.stat().st_mtime
    if not overwrite and output.is_file() and output.stat().st_mtime >= newest:
        logging.info("%s is there already", output)
        return output
    model, args = load_asr_model(model_dir / "config.yaml", checkpoint)
    rate = (getattr(args, "frontend_conf", None) or {}).get("fs", 16000)
    if isinstance(rate, str):
        rate = humanfriendly.parse_size(rate)
    result = encoder_rtf(model, rate, **options)
    result["parameters"] = count_parameters(model)
    write_json(output, result)
    logging.info(
        "%s: real-time factor %.4f on %d thread(s), %.2f million parameters",
        model_dir,
        result["encoder_rtf"],
        result["threads"],
        result["parameters"]["total"] / 1e6,
    )
    return output


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
