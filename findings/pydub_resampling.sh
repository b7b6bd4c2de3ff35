#!/usr/bin/env bash
# pydub and SpeechRecognition: resampling without a filter. A tone of 15 kHz becomes 1 kHz.
#
# AudioSegment.set_frame_rate (pydub) and AudioData.get_raw_data(convert_rate=...) and
# get_wav_data(convert_rate=...) (SpeechRecognition) call audioop.ratecv, which draws straight
# lines between samples. From 48 to 16 kHz that keeps every third sample and removes nothing:
# what is above 8 kHz is folded to below 8 kHz, at its full level.
#
# * A tone of 15 kHz (a television, a switching power supply) becomes 1 kHz, 0.0 dB weaker.
#   soxr, sox and ffmpeg remove it.
# * White noise keeps its whole power. After soxr it has a third of it (5.0 dB less), so
#   noise is that much stronger in files that were converted by these two.
#
# One would expect the low-pass filter that belongs to resampling. It matters because both
# are widely used to convert recordings to 16 kHz for recognition. The files have the right
# rate, and nothing in them tells what was folded: consonants such as S have much energy
# above 8 kHz. A model that was trained on files of one tool gets other features from the other.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 pydub==0.25.1 SpeechRecognition==3.17.0 soxr==1.1.0
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
import soxr
from pydub import AudioSegment
from speech_recognition import AudioData

FROM, TO = 48000, 16000
for name in ("pydub", "SpeechRecognition", "soxr"):
    print(name, version(name))


def in_pydub(samples):
    segment = AudioSegment(samples.tobytes(), frame_rate=FROM, sample_width=2, channels=1)
    return np.array(segment.set_frame_rate(TO).get_array_of_samples())


def in_speech_recognition(samples):
    return np.frombuffer(AudioData(samples.tobytes(), FROM, 2).get_raw_data(convert_rate=TO), "<i2")


def in_soxr(samples):
    return soxr.resample(samples, FROM, TO)


def level(samples):
    """Root mean square in dB, without the ends."""
    return 20 * np.log10(np.std(samples[200:-200].astype(float)) + 1e-9)


def pitch(samples):
    inner = samples[200:-200] * np.hanning(len(samples) - 400)
    return np.abs(np.fft.rfft(inner)).argmax() * TO / len(inner)


seconds = np.arange(FROM) / FROM
noise = np.random.default_rng(0).normal(scale=3000, size=FROM).astype(np.int16)
low, high = (
    (16000 * np.sin(2 * np.pi * hertz * seconds)).astype(np.int16) for hertz in (3000, 15000)
)
seen = {}
for convert in (in_pydub, in_speech_recognition, in_soxr):
    # A tone that both rates can hold is right everywhere.
    assert abs(pitch(convert(low)) - 3000) < 5 and abs(level(convert(low)) - level(low)) < 0.1
    loss = level(convert(high)) - level(high)
    noise_loss = level(convert(noise)) - level(noise)
    folded = f", as {pitch(convert(high)):.0f} Hz" if loss > -40 else ""
    print(f"{convert.__name__}: 15 kHz {loss:.1f} dB{folded}; white noise {noise_loss:.1f} dB")
    seen[convert] = loss, noise_loss
assert seen[in_soxr][0] < -60 and -5.5 < seen[in_soxr][1] < -4.5
for convert in (in_pydub, in_speech_recognition):
    if min(seen[convert]) < -0.1 or abs(pitch(convert(high)) - 1000) > 5:
        sys.exit(f"CHANGED: {convert.__name__} filters")
EOF
