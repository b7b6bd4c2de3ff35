"""The measured work: recognition of an artificial utterance with a model."""

from pathlib import Path

import humanfriendly
import numpy as np
import torch
from espnet2.asr.encoder.whisper_encoder import OpenAIWhisperEncoder
from espnet2.asr.espnet_model import ESPnetASRModel

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.dual_mode.transducer import GreedySearch
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment

__all__ = ["load_with_rate", "make_input", "recognise", "speech_like_noise"]

# Precomputed features have Kaldi's frame shift of 10 ms.
_FRAMES_PER_SECOND = 100


def load_with_rate(model_dir: Path, checkpoint: Path) -> tuple[ESPnetASRModel, int]:
    """Load a model, and find the sample rate its front end expects, in Hz."""
    model, args = load_asr_model(Experiment(model_dir).config_file, checkpoint)
    rate = (getattr(args, "frontend_conf", None) or {}).get("fs", 16000)
    return model, humanfriendly.parse_size(rate) if isinstance(rate, str) else rate


def make_input(
    model: ESPnetASRModel, sample_rate: int, audio_seconds: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make an artificial utterance for a model, on its device.

    Returns:
        ``(1, samples)``, or ``(1, frames, width)`` of random features for a model that
        has no front end, and its length ``(1,)``.
    """
    device = next(model.parameters()).device
    if model.frontend is not None or isinstance(model.encoder, OpenAIWhisperEncoder):
        speech = speech_like_noise(sample_rate, audio_seconds)
    else:
        frames = int(round(audio_seconds * _FRAMES_PER_SECOND))
        generator = torch.Generator().manual_seed(0)
        speech = torch.randn(frames, _input_size(model), generator=generator)
    speech = speech[None].to(device)
    return speech, torch.tensor([speech.size(1)], device=device)


def recognise(
    model: ESPnetASRModel, speech: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Run front end, normalisation, encoder and CTC arg max.

    With a transducer, greedy search is used in place of the arg max.

    Args:
        model: A model in evaluation mode, with a CTC layer or a transducer.
        speech: Samples ``(batch, samples)`` or features ``(batch, frames, width)``.
        lengths: Numbers of samples or frames, ``(batch,)``.

    Returns:
        The best token of each frame, ``(batch, frames)``; with a transducer, the tokens
        of the first utterance. They are on the CPU, so that a GPU has finished.
    """
    encoded, _ = model.encode(speech, lengths)
    if isinstance(encoded, tuple):
        encoded = encoded[0]
    if getattr(model, "use_transducer_decoder", False):
        search = GreedySearch(model.decoder, model.joint_network, model.blank_id)
        return torch.tensor([search.advance(encoded[0])[0]])
    return model.ctc.argmax(encoded).cpu()


def speech_like_noise(sample_rate: int, seconds: float, seed: int = 0) -> torch.Tensor:
    """Make noise with roughly the spectrum and the syllable rhythm of speech.

    Digital silence is not used, because some models trim blank frames, and denormal
    numbers are slow on some processors.

    Returns:
        ``(samples,)`` with a peak of 0.3.
    """
    rng = np.random.default_rng(seed)
    count = int(round(sample_rate * seconds))
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / sample_rate)
    # Flat up to 500 Hz, then falling by 6 dB per octave, as in average speech.
    wave = np.fft.irfft(spectrum / np.maximum(hertz, 500.0), n=count)
    # Four syllables per second.
    wave *= 0.55 + 0.45 * np.sin(2 * np.pi * 4.0 * np.arange(count) / sample_rate)
    wave *= 0.3 / max(np.abs(wave).max(), 1e-12)
    return torch.from_numpy(wave.astype(np.float32))


def _input_size(model: ESPnetASRModel) -> int:
    mean = getattr(model.normalize, "mean", None)
    if mean is not None:
        return mean.numel()
    embed = model.encoder.embed
    if hasattr(embed, "conv"):
        # The input width cannot be derived from the layers after the convolutions.
        raise UserError(
            "a model that takes features needs normalize: global_mvn, from which its "
            "input width is known"
        )
    return next(m for m in embed.modules() if hasattr(m, "in_features")).in_features
