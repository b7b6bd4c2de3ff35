#!/usr/bin/env bash
# Chromium: decodeAudioData() does not give the samples that are in the file.
#
# 1. 16-bit samples above zero are divided by 32767, those below by 32768: 100 becomes
#    100.003 / 32768 and 16384 becomes 16384.5 / 32768, in WAV and in FLAC. 24-bit files
#    and floats come out as they are.
# 2. The end of an Ogg Vorbis file is missing: 256 samples of a file of one second,
#    which are 16 ms at 16 kHz.
#
# One expects a lossless file to give what libsndfile, ffmpeg or sox give, the number
# divided by 32768, and a lossy file to keep its length. The positive half of a wave is
# louder by 3e-5. Nobody hears that, but a test that compares a page with a program bit
# for bit fails, and so does one that compares lengths.
#
# CHROMIUM=p chooses the browser (default: chromium on PATH; Debian 12 has it). PYTHON=p
# chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
browser=${CHROMIUM:-chromium}
"${browser}" --version 2>/dev/null
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 soundfile==0.13.1
cat > make.py <<'PYTHON'
import base64
import io
import json

import numpy as np
import soundfile

values = np.array([0, 1, 100, 16384, -1, -100, -16384], dtype=np.int16)
signal = np.tile(values, 100)
tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)


def encoded(samples, kind, subtype):
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format=kind, subtype=subtype)
    return base64.b64encode(file.getvalue()).decode()


files = {
    "WAV, 16 bits": encoded(signal, "WAV", "PCM_16"),
    "FLAC, 16 bits": encoded(signal, "FLAC", "PCM_16"),
    "WAV, 24 bits": encoded(signal, "WAV", "PCM_24"),
    "WAV, floats": encoded(signal / 32768, "WAV", "FLOAT"),
    "OGG": encoded(tone, "OGG", "VORBIS"),
}
ogg = io.BytesIO(base64.b64decode(files["OGG"]))
print("libsndfile: OGG", len(soundfile.read(ogg)[0]), "samples")
script = """
const found = {};
for (const [name, text] of Object.entries(FILES)) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes.buffer);
  const first = [...sound.getChannelData(0).slice(0, 7)];
  found[name] = name === "OGG" ? sound.length : first.map((x) => +(32768 * x).toFixed(3));
}
console.log("FOUND" + JSON.stringify(found) + "END");
"""
page = script.replace("FILES", json.dumps(files))
open("page.html", "w").write(f"<body><script type=module>{page}</script></body>")
PYTHON
venv/bin/python make.py
timeout 180 "${browser}" --headless --no-sandbox --disable-gpu --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --user-data-dir="${folder}/data" --enable-logging=stderr "${folder}/page.html" \
    > log 2>&1 &
started=$!
until grep -q 'FOUND{' log; do
    kill -0 "${started}" 2>/dev/null || { cat log >&2; exit 1; }
    sleep 1
done
kill "${started}"
wait "${started}" || true
cat > compare.py <<'PYTHON'
import json
import re
import sys

found = json.loads(re.search("FOUND({.*?})END", open("log").read())[1])
for name, value in found.items():
    print(f"Chromium: {name}: {value}")
exact = [0, 1, 100, 16384, -1, -100, -16384]
louder = [0, 1, 100.003, 16384.5, -1, -100, -16384]
known = {name: exact for name in ("WAV, 24 bits", "WAV, floats")}
known.update({name: louder for name in ("WAV, 16 bits", "FLAC, 16 bits")}, OGG=16000 - 256)
different = [name for name in known if found[name] != known[name]]
if different:
    sys.exit(f"CHANGED: {', '.join(different)}")
PYTHON
venv/bin/python compare.py
