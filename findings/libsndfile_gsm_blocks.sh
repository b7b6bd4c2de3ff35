#!/usr/bin/env bash
# libsndfile: it calls half of its own GSM 6.10 WAV files "truncated" although they are
# complete.
#
# A block of GSM 6.10 in WAV is 65 bytes. With an odd number of blocks the data chunk
# has an odd length, and RIFF requires a padding byte after it, which libsndfile writes.
# When it reads the file, it counts that byte as data. The log (`extra_info` of
# soundfile, the only place where libsndfile reports that a file is truncated) has the
# line "data chunk seems to be truncated", and libsndfile announces one block (320
# samples) more than was written.
#
# One expects that a file which was just written counts as complete, whether its number
# of blocks is odd or even. It matters if you look for files that were truncated while
# they were copied, which libsndfile opens without an error. Telephone speech is often
# GSM 6.10: every second recording would be discarded, or you would have to ignore the
# line, also for files that really are truncated (for these the log also says "should
# be", with both lengths).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
"${PYTHON:-python3}" -m venv "${folder}/env"
"${folder}/env/bin/python" -m pip install -qq --disable-pip-version-check \
    soundfile==0.14.0 numpy==2.4.6
cd "${folder}"
"${folder}/env/bin/python" - <<'PYTHON'
import os
import sys

import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
samples = 0.1 * np.random.default_rng(0).standard_normal(10000)
seen = {}
for blocks in range(20, 26):
    soundfile.write("a.wav", samples[: 320 * blocks], 8000, subtype="GSM610")
    with soundfile.SoundFile("a.wav") as file:
        called_truncated = "seems to be truncated" in file.extra_info
        announced = file.frames
    size = os.path.getsize("a.wav") - 60  # without what is before the blocks
    seen[blocks] = called_truncated, announced - 320 * blocks
    print(
        f"{blocks} blocks written, {size} bytes = {size / 65:.2f} blocks there: "
        f"{announced} of {320 * blocks} samples announced, "
        f"'truncated': {called_truncated}"
    )
wanted = {n: (bool(n % 2), 320 * (n % 2)) for n in seen}
if seen != wanted:
    sys.exit(f"CHANGED: {seen}, expected {wanted}")
PYTHON
