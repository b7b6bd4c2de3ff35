#!/usr/bin/env bash
# kaldi-native-fbank: its features for Whisper are those of 5 ms later.
#
# WhisperFeatureOptions and OnlineWhisperFbank compute the log-mel features of OpenAI's
# Whisper without PyTorch: one window of 25 ms every 10 ms, a power spectrum of 400 points
# and 80 filters. sherpa-onnx contains the same library. Whisper takes torch.stft() with
# its default, so that the window of frame i is centred at sample 160 * i (the first one
# is half reflected). The package takes Kaldi's frames without snip_edges: the window of
# frame i is centred at sample 160 * i + 80. The number of frames is the same.
#
# So a tone has the right features, but speech does not: with the frames 5 ms later they
# agree to 1e-3, as they are they differ by up to 1.0 for a train of glottal pulses through
# three formants, and by 0.06 on average, in Whisper's units (a range of 2 is all that it
# keeps, 80 dB). One expects the features that the model was trained with.
#
# It matters because a model that is exported and compared on features from PyTorch gets
# other features on the device, and because timestamps from them are 5 ms early. Whatever
# is small in this difference adds to that of the quantised weights. The cure: put 80
# zeros, or better 80 reflected samples, before the audio.
#
# The features by definition are computed with NumPy below (they agree with
# whisper.log_mel_spectrogram() of openai-whisper 20250625 to 1e-6).
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 kaldi-native-fbank==1.23.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import kaldi_native_fbank
import numpy as np

print("kaldi-native-fbank", importlib.metadata.version("kaldi-native-fbank"))
RATE, STEP, POINTS, FILTERS = 16000, 160, 400, 80
SAMPLES = 2 * RATE


def mel_filters():
    """Slaney's triangles of area 1: a scale linear to 1000 Hz, then logarithmic."""
    step = np.log(6.4) / 27
    highest = 15 + np.log(RATE / 2 / 1000) / step
    mels = np.linspace(0, highest, FILTERS + 2)
    hertz = np.where(mels < 15, 200 / 3 * mels, 1000 * np.exp(step * (mels - 15)))
    left, centre, right = hertz[:-2], hertz[1:-1], hertz[2:]
    bins = np.arange(POINTS // 2 + 1)[:, None] * RATE / POINTS
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)


def by_definition(samples, late):
    """Mel powers with the windows centred at STEP * i + late."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(POINTS) / POINTS)
    padded = np.pad(samples.astype(np.float64), POINTS, mode="reflect")
    begins = np.arange(len(samples) // STEP) * STEP + POINTS // 2 + late
    frames = padded[begins[:, None] + np.arange(POINTS)] * window
    return np.abs(np.fft.rfft(frames)) ** 2 @ mel_filters()


def of_package(samples):
    computer = kaldi_native_fbank.OnlineWhisperFbank(
        kaldi_native_fbank.WhisperFeatureOptions()
    )
    computer.accept_waveform(RATE, samples.tolist())
    computer.input_finished()
    return np.array([computer.get_frame(i) for i in range(computer.num_frames_ready)])


def features(powers):
    """Whisper's logarithm: 8 decades below the maximum become a range of 2."""
    logs = np.log10(np.maximum(powers, 1e-10))
    return (np.maximum(logs, logs.max() - 8) + 4) / 4


def vowels(generator):
    """Pulses at 123 Hz through three resonances, on and off four times a second."""
    sound = np.zeros(SAMPLES)
    sound[::130] = 1
    for hertz, width in ((600, 80), (1200, 100), (2500, 150)):
        radius = np.exp(-np.pi * width / RATE)
        first = 2 * radius * np.cos(2 * np.pi * hertz / RATE)
        past = [0.0, 0.0]
        for index, sample in enumerate(sound):
            past = [sample + first * past[0] - radius**2 * past[1], past[0]]
            sound[index] = past[0]
    sound *= np.sin(2 * np.pi * 4 * np.arange(SAMPLES) / RATE) > 0
    return 0.3 * sound / np.abs(sound).max() + 1e-4 * generator.standard_normal(SAMPLES)


generator = np.random.default_rng(0)
sounds = {
    "tone": 0.1 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLES) / RATE),
    "noise": 0.1 * generator.standard_normal(SAMPLES),
    "vowels": vowels(generator),
}
found = {}
for name, samples in sounds.items():
    samples = samples.astype(np.float32)
    made = features(of_package(samples))
    for late in (0, STEP // 2):
        right = features(by_definition(samples, late))
        if made.shape != right.shape:
            sys.exit(f"CHANGED: {len(made)} frames instead of {len(right)}")
        # without the edges, which are padded in different ways
        off = np.abs(made - right)[3:-3]
        found[name, late] = off.max()
        print(
            f"{name:6} against windows {late:2} samples later: "
            f"off by up to {off.max():.4f}, mean {off.mean():.4f}"
        )
if found["tone", 0] > 1e-3:
    sys.exit("CHANGED: a tone has other features")
if found["noise", 80] > 1e-2 or found["vowels", 80] > 1e-2:
    sys.exit("CHANGED: the features are not those of 80 samples later")
if found["noise", 0] < 0.3 or found["vowels", 0] < 0.3:
    sys.exit("CHANGED: the features are those of Whisper")
EOF
