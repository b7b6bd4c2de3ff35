"""Make the audio of an utterance of the synthetic corpus: speech, silence, noise."""

import os
import tempfile
import wave
from pathlib import Path

import numpy as np

from espnet_plugin.corpora.synthetic import espeak
from espnet_plugin.corpora.synthetic.plan import Utterance
from espnet_plugin.writable import usual_mode

__all__ = ["SAMPLE_RATE", "synthesize", "write_wav"]

SAMPLE_RATE = 16000  # Hz


def synthesize(engine: espeak.Espeak, utterance: Utterance) -> np.ndarray:
    """Synthesise one utterance with silence around it and added coloured noise.

    Returns:
        Samples of shape (samples,), int16, at 16 kHz.
    """
    # Imported here, because it takes seconds and a finished corpus does not need them.
    import torch
    import torchaudio.functional

    speech = engine.say(
        utterance.text,
        utterance.speaker.voice,
        rate=utterance.words_per_minute,
        pitch=utterance.pitch,
        seed=utterance.seed,
    )
    resampled = torchaudio.functional.resample(
        torch.from_numpy(speech / 32768.0), espeak.SAMPLE_RATE, SAMPLE_RATE
    ).numpy()
    level = 10.0 ** (utterance.level_db / 20.0)
    resampled = resampled * (level / np.sqrt(np.mean(resampled**2)))
    before, after = (round(s * SAMPLE_RATE) for s in utterance.silence_s)
    padded = np.pad(resampled, (before, after))
    noise = _noise(len(padded), np.random.RandomState(utterance.seed))
    padded = padded + noise * level * 10.0 ** (-utterance.snr_db / 20.0)
    return np.round(np.clip(padded, -1.0, 1.0) * 32767.0).astype(np.int16)


def _noise(num_samples: int, generator: np.random.RandomState) -> np.ndarray:
    """Return noise of unit power between white and pink: power 1/f^a, a in [0, 1]."""
    # RandomState, because NumPy guarantees that its stream never changes.
    spectrum = np.fft.rfft(generator.standard_normal(num_samples))
    frequencies = np.maximum(np.arange(len(spectrum)), 20)
    spectrum *= frequencies ** (-0.5 * generator.uniform())
    noise = np.fft.irfft(spectrum, num_samples)
    return noise / np.sqrt(np.mean(noise**2))


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples (samples,) at 16 kHz atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream, wave.open(stream, "wb") as audio:
            audio.setnchannels(1)
            audio.setsampwidth(2)
            audio.setframerate(SAMPLE_RATE)
            audio.writeframes(samples.astype("<i2").tobytes())
        os.chmod(temporary, usual_mode(0o666))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
