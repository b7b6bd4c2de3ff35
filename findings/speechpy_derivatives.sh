#!/usr/bin/env bash
# speechpy: derivatives of features that do not depend on time, and mel filters that end
# at a quarter of the sampling rate: 1000 Hz is in filter 18 of 40 instead of 13.
#
# extract_derivative_feature() "extracts temporal derivative features". One expects the
# regression over two frames on both sides: 0 for features that stay the same, the slope
# for features that rise by the same amount in each frame. But it compares a feature with
# its neighbours in the same frame, and the line that subtracts is a statement of its own,
# without effect. So the derivative of a constant 1 is 0.3, its second derivative 0.09.
# Frames in another order keep their derivatives: two thirds of the feature cube are
# blurred copies of the first third.
#
# lmfe() and mfcc() use filterbanks(). With 16 kHz and the defaults one expects 40 filters
# from 0 to 8000 Hz. They lie between 150 and 4000 Hz: the numbers of the bins are
# computed as if the spectrum had half of its points, and low_frequency=0, the default,
# means 300 Hz. What is above 4 kHz, which is most of an "s", is in no filter at all.
#
# It matters to those who train small recognisers or keyword models with these features:
# trainings run, but wide-band speech is heard as through a telephone, and a model does not
# fit the features that another library computes for the same settings.
#
# The bins are (coefficients + 1) * hertz / sampling_freq in speechpy/feature.py, with
# coefficients = fft_length / 2 + 1; see derivative_extraction() in processing.py for the
# rest. The filters were reported in 2021 (pull request 36, open).
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==1.26.4 scipy==1.13.1 setuptools==80.9.0 speechpy==2.4
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import numpy as np
from speechpy import feature

print("speechpy", importlib.metadata.version("speechpy"))
RATE, FILTERS, SIZE = 16000, 40, 512


def regression(values):
    """Derivatives over time: Kaldi's and HTK's formula, with two frames on each side."""
    padded = np.pad(values, ((2, 2), (0, 0)), "edge")
    frames = len(values)
    return sum(
        step * (padded[2 + step : 2 + step + frames] - padded[2 - step :][:frames])
        for step in (1, 2)
    ) / 10


def derivatives(values):
    return feature.extract_derivative_feature(values)[:, :, 1:]


print("\nderivatives in the middle of 20 frames of 13 features")
random = np.random.default_rng(0)
time = np.arange(20.0)[:, None] * np.ones((1, 13))
noise, order = random.standard_normal((20, 13)), random.permutation(20)
constant, rising = derivatives(np.ones((20, 13)))[10, 6], derivatives(time)[10, 6]
print(
    f"  always 1: {constant[0]:.2f}, second {constant[1]:.2f} "
    f"(expected {regression(np.ones((20, 13)))[10, 6]:.2f})"
)
print(
    f"  the number of the frame: {rising[0]:.2f} in frame 10 "
    f"(expected {regression(time)[10, 6]:.2f})"
)
moved = np.abs(derivatives(noise[order]) - derivatives(noise)[order]).max()
correct = np.abs(regression(noise[order]) - regression(noise)[order]).max()
print(f"  frames in another order: differ by {moved:.1e} (expected {correct:.1f})")


def mel(hertz):
    return 1127 * np.log(1 + np.asarray(hertz) / 700)


edges = 700 * (np.exp(np.linspace(0, mel(RATE / 2), FILTERS + 2) / 1127) - 1)
bins = np.arange(SIZE // 2 + 1) * RATE / SIZE
reference = np.array(
    [
        np.interp(bins, edges[first : first + 3], [0, 1, 0], left=0, right=0)
        for first in range(FILTERS)
    ]
)

print(f"\nstrongest of {FILTERS} filters from 0 to {RATE // 2} Hz")
found = {}
for hertz in (500, 1000, 2000, 3500, 5000, 7000):
    tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    energies = np.exp(feature.lmfe(tone, RATE, num_filters=FILTERS, fft_length=SIZE)[10])
    power = np.abs(np.fft.rfft(tone[1600:1920], SIZE)) ** 2 / SIZE
    expected = reference @ power
    level = 10 * np.log10(energies.max() / expected.max())
    found[hertz] = int(energies.argmax()), int(expected.argmax()), level
    print(
        f"  {hertz} Hz: number {found[hertz][0]}, which should have its middle at "
        f"{edges[found[hertz][0] + 1]:.0f} Hz, {level:+.1f} dB "
        f"(expected number {found[hertz][1]})"
    )
matrix = feature.filterbanks(FILTERS, SIZE // 2 + 1, RATE, 0, None)
used = bins[matrix.any(axis=0)]
print(f"  frequencies in any filter: {used[0]:.0f} to {used[-1]:.0f} Hz")

if abs(constant[0] - 0.3) > 1e-9 or abs(constant[1] - 0.09) > 1e-9:
    sys.exit("CHANGED: expected derivatives of a constant")
if abs(rising[0] - 3) > 1e-9 or moved > 1e-12 or correct < 0.5:
    sys.exit("CHANGED: expected derivatives that do not depend on time")
if used[0] < 100 or used[-1] > RATE / 4 + 50:
    sys.exit("CHANGED: expected filters between 150 and 4000 Hz")
for hertz in (1000, 2000, 3500):
    if found[hertz][0] < found[hertz][1] + 5:
        sys.exit(f"CHANGED: {hertz} Hz: expected another filter")
for hertz in (5000, 7000):
    if found[hertz][2] > -15:
        sys.exit(f"CHANGED: {hertz} Hz: expected no filter")
EOF
