#!/usr/bin/env bash
# pedalboard: a convolution makes all rooms equally loud (18 dB softer than the speech),
# and a reverb that is turned off makes the speech 6 dB louder.
#
# Convolution(impulse response) is what one takes to put speech into a measured room. One
# expects the convolution: a response that is a single 1 changes nothing, and one of a far
# place is softer than one of a near place. Here, each response is scaled so that its
# energy is 1/64. The single 1 makes the speech 18.06 dB softer, and so does the same
# response ten times as loud. A near and a far place have the same level. With mix=0.5,
# the single 1 gives 0.5625 of the speech (half of it, and half of an eighth), where one
# expects all of it: the share of the room is nine times smaller than asked for.
#
# Reverb(wet_level=0, dry_level=1) has no echo left, and one expects the speech as it was.
# It comes out twice as large, and is clipped when it is written with a peak above 0.5.
# The default dry_level of 0.4 is 80 % of the speech.
#
# It matters because noise is then mixed in at a level that was computed from the speech:
# 15 dB becomes -3 dB, which looks like a model that does not hear in rooms. Levels and
# clipping differ between a copy with and one without the effect, so a recogniser can
# learn them instead. The documentation mentions neither (its Limiter, which also makes
# everything louder, says so).
#
# pedalboard calls JUCE's Convolution::loadImpulseResponse() with Normalise::yes
# (pedalboard/plugins/Convolution.h), which divides by the root of the energy and
# multiplies by 0.125; juce::Reverb::setParameters() doubles the dry level.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 pedalboard==0.9.26
venv/bin/python - <<'EOF'
import importlib.metadata
import math
import sys

import numpy as np
from pedalboard import Convolution, Reverb

print("pedalboard", importlib.metadata.version("pedalboard"))
RATE = 16000
rng = np.random.default_rng(0)
speech = (0.05 * rng.standard_normal((1, 4 * RATE))).astype(np.float32)
decay = np.exp(-np.arange(RATE // 4) / (0.05 * RATE))
tail = 0.01 * rng.standard_normal(RATE // 4) * decay


def response(direct, delay):
    heard = tail.copy()
    heard[: int(delay * RATE)] = 0
    heard[int(delay * RATE)] = direct
    return heard.astype(np.float32)


def decibels(after):
    """The level after the first second, relative to the speech."""
    power = (np.asarray(after, np.float64)[..., RATE : 4 * RATE] ** 2).mean()
    return 10 * math.log10(power / (speech[:, RATE:].astype(np.float64) ** 2).mean())


ONE = np.zeros(256, np.float32)
ONE[0] = 1
RESPONSES = {
    "a single 1": ONE,
    "the same, ten times as loud": 10 * ONE,
    "a near place (1 m)": response(1, 0.003),
    "a far place (8 m)": response(0.125, 0.023),
}
levels = {}
for name, heard in RESPONSES.items():
    expected = decibels(np.convolve(speech[0], heard)[: 4 * RATE])
    effect = Convolution(heard[None], mix=1.0, sample_rate=RATE)
    levels[name] = decibels(effect(speech, RATE))
    print(f"{name}: {levels[name]:+.2f} dB (expected {expected:+.2f} dB)")
half = Convolution(ONE[None], mix=0.5, sample_rate=RATE)(speech, RATE)
share = float((half * speech).sum() / (speech**2).sum())
print(f"a single 1, mix=0.5: {share:.4f} of the speech (expected 1)")

print()
dry = {}
for options in ({"dry_level": 1.0}, {}):
    heard = Reverb(wet_level=0, **options)(speech, RATE)
    factor = float((heard * speech).sum() / (speech**2).sum())
    difference = float(np.abs(heard - factor * speech).max())
    dry[bool(options)] = factor
    said = options.get("dry_level", 0.4)
    print(
        f"Reverb, wet_level=0, dry_level={said}: {factor:.2f} of the speech, "
        f"apart from that {difference:.1e} off"
    )
if any(abs(level + 18.06) > 0.1 for level in levels.values()):
    sys.exit("CHANGED: expected -18.06 dB with every response")
if abs(share - 0.5625) > 0.001:
    sys.exit("CHANGED: expected a room that is an eighth of what mix asks for")
if abs(dry[True] - 2) > 0.01 or abs(dry[False] - 0.8) > 0.01:
    sys.exit("CHANGED: expected twice the dry level")
EOF
