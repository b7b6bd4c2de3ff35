#!/usr/bin/env bash
# libsndfile and FFmpeg: ALAC in CAF, a lossless format, loses the end of a recording.
#
# CAF is Apple's container, and ALAC its lossless codec, of 4096 samples a packet. The
# packet table says how many samples of the last packet are padding. libsndfile writes
# this number, and a last packet that holds only its valid samples. FFmpeg takes the
# padding off the samples that it decoded, which have none any more. So once more than
# half of the last packet is filled, its end is missing: up to 2047 samples, 0.13 s at 16
# kHz. If less than half is filled, more would have to be removed than there is, and
# nothing is. libsndfile reads its own files completely; as PCM in the same container they
# are complete for both.
#
# One expects every sample of a lossless file, and no message is printed. It matters for
# archives of speech: of the last word of half of the recordings up to a syllable is
# missing for one of the two programs, and lengths differ between steps that use libsndfile
# (soundfile, ESPnet) and steps that use FFmpeg.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 soundfile==0.14.0 \
    av==18.1.0
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import struct
import sys
from pathlib import Path

import av
import numpy as np
import soundfile

rate, packet = 16000, 4096
print("libsndfile", soundfile.__libsndfile_version__, end=", PyAV ")
print(importlib.metadata.version("av"), "libavformat", *av.library_versions["libavformat"])


def by_ffmpeg(path):
    with av.open(path) as container:
        frames = container.decode(audio=0)
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def padding_in_the_table(path):
    content = Path(path).read_bytes()
    at = content.index(b"pakt") + 12
    packets, valid, before, after = struct.unpack(">qqii", content[at : at + 24])
    return packets, valid, after


draw = np.random.default_rng(0).integers
print("samples: (packets, valid, padding) in the table; read by libsndfile, by FFmpeg")
for subtype in "ALAC_16", "PCM_16":
    lost = 0
    for number in range(3000, 60000, 1900):
        samples = draw(-3000, 3000, number).astype(np.int16)
        soundfile.write("a.caf", samples, rate, format="CAF", subtype=subtype)
        own = soundfile.read("a.caf", dtype="int16")[0]
        if not np.array_equal(own, samples):
            sys.exit("CHANGED: expected libsndfile to read what it wrote")
        found = by_ffmpeg("a.caf")
        missing, filled = number - len(found), number % packet
        lost += missing > 0
        if subtype == "ALAC_16":
            table = padding_in_the_table("a.caf")
            if number < 14000:
                print(f"{number}: {table}; {len(own)}, {len(found)}")
            padding = packet - filled
            if table[1:] != (number, padding):
                sys.exit("CHANGED: expected the right numbers in the packet table")
            if missing != (padding if filled > packet // 2 else 0):
                sys.exit("CHANGED: expected the padding to be removed once more")
        elif missing:
            sys.exit("CHANGED: expected all samples of PCM")
    print(f"{subtype}: FFmpeg loses the end of {lost} of 30 files")
EOF
