#!/usr/bin/env bash
# pyrnnoise: denoised speech is 20 ms late, and the last 20 ms are lost.
#
# RNNoise looks ahead: what it returns for a frame of 10 ms is the denoised signal of two
# frames before. One expects denoise_chunk() to shift the result back, because the output
# has exactly as many samples as the input. It does not: the first 20 ms are silence and
# the last 20 ms of the recording do not appear, at every sampling rate.
#
# It matters when denoised and original audio are used together. Word times move by
# 20 ms. For training on pairs of both, such as a student that hears denoised speech and
# a teacher that hears the original, 20 ms are two feature frames and half an encoder
# frame of 40 ms. The lengths, which are the only thing that is easily checked, agree.
# What helps: add 20 ms of silence at the end, and cut as much off the beginning.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 pyrnnoise==0.4.5 audiolab==0.5.2
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import sys
from importlib.metadata import version

import numpy as np
from pyrnnoise import RNNoise

print("pyrnnoise", version("pyrnnoise"))
random = np.random.default_rng(0)


def speech(rate):
    """Three vowels of 0.4 s with little noise; the last one ends with the recording."""
    x = random.standard_normal(3 * rate) * 50
    t = np.arange(int(0.4 * rate)) / rate
    for start, pitch in (0.5, 110), (1.2, 150), (2.6, 130):
        harmonics = [k for k in range(1, 25) if k * pitch < 0.45 * rate]
        vowel = sum(
            np.sin(2 * np.pi * pitch * k * t) * (3 if 4 < k < 8 else 1) / k
            for k in harmonics
        )
        x[int(start * rate) :][: len(t)] += 3000 * vowel * np.sqrt(np.hanning(len(t)))
    return x.astype(np.int16)


def lateness(late, x):
    """Samples by which ``late`` must be moved to fit ``x`` best."""
    size = 2 * len(x)
    product = np.fft.rfft(late, size) * np.conj(np.fft.rfft(x, size))
    best = int(np.fft.irfft(product).argmax())
    return best if best < len(x) else best - size


def denoised(x, rate):
    parts = RNNoise(sample_rate=rate).denoise_chunk(x[None], partial=True)
    return np.concatenate([frame for _, frame in parts], -1)[0]


for rate in 48000, 16000, 8000:
    x = speech(rate)
    y = denoised(x, rate)
    late = 1000 * lateness(y.astype(float), x.astype(float)) / rate
    first = np.abs(y[: rate // 50 - rate // 500]).max()
    print(f"{rate} Hz: {len(x)} and {len(y)} samples, {late:.2f} ms late")
    print(f"  largest sample of the first 18 ms: {first}")
    if len(x) != len(y) or not 19 < late < 21 or first > 50:
        sys.exit("CHANGED: expected the same length, 20 ms late")
    padded = np.concatenate([x, np.zeros(rate // 50, np.int16)])
    moved = denoised(padded, rate)[rate // 50 :]
    late = 1000 * lateness(moved.astype(float), x.astype(float)) / rate
    print(f"  with 20 ms of silence at the end, cut at the beginning: {late:.2f} ms late")
    if len(moved) != len(x) or abs(late) > 1:
        sys.exit("CHANGED: expected silence at the end to help")
EOF
