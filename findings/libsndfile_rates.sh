#!/usr/bin/env bash
# libsndfile: several formats come back with another sampling rate, without an error.
#
# 16000 samples are written at a common rate and read again with the same library. Most
# formats keep the rate. These do not:
#
# * HTK stores the length of a sample in units of 100 ns, and libsndfile cuts it off instead
#   of rounding it: 44100 Hz is read as 44247 (rounded: 44053), 22050 as 22075 (22026).
#   48000 becomes 48076. 16000 and 8000 are exact.
# * VOC with 8 bits stores it in one byte, in microseconds, cut off as well: 16000 Hz is read
#   as 16129, 44100 as 45454 (rounded: 43478).
# * WVE always says 8000 Hz, and XI 44100: the rate given is dropped.
# * SVX and MPC2K keep 16 bits of the rate: 96000 Hz is read as 30464.
# * SDS is off by 1 in 44100.
#
# One would expect an error for a rate that the format cannot hold, as libsndfile gives for
# Ogg Opus. soundfile.write returns normally, and the samples are all there.
#
# It matters because HTK and VOC are formats of old speech corpora: files made from one
# 44.1 kHz recording differ in rate by format, a set looks mixed, and resampling "to 16 kHz"
# changes length and pitch: by 0.3 % (HTK), 3 % (VOC), or by a factor of two (WVE).
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 soundfile==0.14.0
venv/bin/python - <<'EOF'
import struct
import sys
from pathlib import Path

import numpy as np
import soundfile

print("soundfile", soundfile.__version__, "with", soundfile.__libsndfile_version__)
RATES = 8000, 16000, 22050, 44100, 48000, 96000
EXACT = "WAV", "FLAC", "AIFF", "AU", "NIST", "W64", "CAF", "RF64"
EXPECTED = {
    ("HTK", "PCM_16"): {22050: 22075, 44100: 44247, 48000: 48076, 96000: 96153},
    ("VOC", "PCM_U8"): {
        16000: 16129, 22050: 22222, 44100: 45454, 48000: 50000, 96000: 100000
    },
    ("VOC", "PCM_16"): {},
    ("WVE", "ALAW"): {rate: 8000 for rate in RATES if rate != 8000},
    ("XI", "DPCM_16"): {rate: 44100 for rate in RATES if rate != 44100},
    ("SVX", "PCM_16"): {96000: 30464},
    ("MPC2K", "PCM_16"): {96000: 30464},
    ("SDS", "PCM_16"): {44100: 44101, 96000: 96006},
}
samples = 0.3 * np.sin(0.3 * np.arange(16000))


def changed(kind, subtype):
    """Return rate written -> rate read, where they differ."""
    found = {}
    for rate in RATES:
        soundfile.write("audio", samples, rate, format=kind, subtype=subtype)
        again, read = soundfile.read("audio")
        assert len(again) == len(samples)
        if read != rate:
            found[rate] = read
    return found


for kind in EXACT:
    assert not changed(kind, "PCM_16"), kind
for (kind, subtype), expected in EXPECTED.items():
    found = changed(kind, subtype)
    print(f"{kind:6}{subtype:8}", found or "unchanged")
    if found != expected:
        sys.exit(f"CHANGED: {kind} {subtype}: {found}")

# What the files themselves say.
soundfile.write("audio", samples, 44100, format="HTK", subtype="PCM_16")
(length,) = struct.unpack(">i", Path("audio").read_bytes()[4:8])
print(f"HTK, 44100 Hz: {length} units of 100 ns in the header, {1e7 / 44100:.2f} is exact")
soundfile.write("audio", samples, 44100, format="VOC", subtype="PCM_U8")
byte = Path("audio").read_bytes()[26 + 4]
print(f"VOC, 44100 Hz: {256 - byte} microseconds in the header, {1e6 / 44100:.2f} is exact")
if (length, 256 - byte) != (226, 22):
    sys.exit("CHANGED: the headers")
EOF
