#!/usr/bin/env bash
# omniio (ESPnet's reader of archives): the same recording in five containers is read on
# three scales.
#
# omniio.kaldi.load_scp() reads what a wav.scp names. One expects numbers on one scale,
# either the container's integers or [-1, 1]. A 16-bit WAV and a FLAC are read as 16-bit
# integers, an 8-bit WAV is converted to them, a 24-bit WAV is read as 32-bit integers
# shifted up by 8 bits, and a float WAV as floats below 1. So the same tone has an
# amplitude of 16384, 1073741824 or 0.5, and its log-mel features (natural logarithm of
# the power) differ by 20.8 or by 43.
#
# It matters because ESPnet takes "kaldi_ark" data through this reader and "sound"
# through soundfile, which gives [-1, 1]: for a model trained on one kind of input the
# other is far too quiet or too loud, and statistics computed over mixed containers mean
# nothing. A WAV file that is cut off in the middle is also read without a message.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 omniio==0.1.2 soundfile==0.14.0
venv/bin/python - <<'EOF'
import importlib.metadata
import math
import sys
from pathlib import Path

import numpy as np
import soundfile
from omniio import kaldi

for name in "omniio", "soundfile":
    print(name, importlib.metadata.version(name))
tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
for name, subtype, known in (
    ("u8.wav", "PCM_U8", "int16 16384"),
    ("i16.wav", "PCM_16", "int16 16384"),
    ("i16.flac", "PCM_16", "int16 16384"),
    ("i24.wav", "PCM_24", "int32 1073741824"),
    ("float.wav", "FLOAT", "float32 0.5"),
):
    soundfile.write(name, tone, 16000, subtype=subtype)
    Path("wav.scp").write_text(f"tone {name}\n")
    rate, samples = kaldi.load_scp("wav.scp")["tone"]
    peak = np.abs(samples.astype(np.float64)).max()
    sound = np.abs(soundfile.read(name)[0]).max()
    print(
        f"{name:9} omniio {samples.dtype} {peak:.10g}, soundfile {sound:.3g}: "
        f"log of the power {2 * math.log(peak / sound):+.1f}"
    )
    if f"{samples.dtype} {peak:.10g}" != known:
        sys.exit(f"CHANGED: expected {known}")

content = Path("i16.wav").read_bytes()
Path("cut.wav").write_bytes(content[: len(content) // 2])
Path("wav.scp").write_text("tone cut.wav\n")
samples = kaldi.load_scp("wav.scp")["tone"][1]
print(f"half of a file of 16000 samples by its header: {len(samples)}, no error")
if len(samples) != 7989:
    sys.exit("CHANGED: expected 7989")
EOF
