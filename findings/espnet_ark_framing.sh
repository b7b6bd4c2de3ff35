#!/usr/bin/env bash
# ESPnet: two archives of type kaldi_ark with the same FLAC are read on two scales, one
# as floats like "sound", the other as integers 32768 times as large.
#
# One expects the type in the data options to determine the scale of the numbers in an
# archive. But the framing inside the archive determines it. After the word AUDIO (which
# asr.sh writes in flac.ark and wav.ark) the samples are read as floats in [-1, 1]. The
# same bytes without it, which is Kaldi's own way to keep WAV in an archive, are read as
# 64-bit integers, 32768 times as large. ESPnet's front end cannot compute features from
# these and ends in an error about the Hann window. If training adds reverberation to
# them, there is no error: the power of the utterance is computed in 16 bits and
# overflows, its root is not a number, and neither is any sample that the model learns
# from.
#
# It matters if you use archives of Kaldi in ESPnet, or give a sound file to a trained
# model: neither the type nor the name of the archive says on which scale the model was
# trained, so you have to look into the archive.
#
# PYTHON=p takes an environment in which ESPnet 202611 is installed; without one, ESPnet
# is installed (with PyTorch: several GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import espnet2' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check espnet==202611
    python=venv/bin/python
fi
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import logging
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch

logging.disable(logging.CRITICAL)
from espnet2.asr.frontend.default import DefaultFrontend
from espnet2.train.dataset import ESPnetDataset
from espnet2.train.preprocessor import CommonPreprocessor

for name in "espnet", "omniio", "torch":
    print(name, importlib.metadata.version(name), end="  ")
print()
rate = 16000
soundfile.write("tone.flac", 0.5 * np.sin(np.arange(rate) / 5), rate, "PCM_16")
soundfile.write("room.wav", np.r_[1.0, np.zeros(99)], rate, "FLOAT")
Path("rooms").write_text("room room.wav\n")
sound = Path("tone.flac").read_bytes()
size = len(sound).to_bytes(4, "little")
Path("framed.ark").write_bytes(b"tone AUDIO\x04" + size + sound)
Path("bare.ark").write_bytes(b"tone " + sound)
for name in "framed", "bare":
    Path(name).write_text(f"tone {name}.ark:5\n")
Path("file").write_text("tone tone.flac\n")
reverberate = CommonPreprocessor(train=True, rir_scp="rooms", rir_apply_prob=1.0)
found = {}
for table, kind, change in (
    ("file", "sound", None),
    ("framed", "kaldi_ark", None),
    ("bare", "kaldi_ark", None),
    ("bare", "kaldi_ark", reverberate),
):
    data = ESPnetDataset([(table, "speech", kind)], preprocess=change)
    speech = torch.from_numpy(data["tone"][1]["speech"])
    try:
        features, _ = DefaultFrontend()(speech[None], torch.tensor([len(speech)]))
        result = round(features.max().item(), 1)
    except RuntimeError as error:
        result = str(error).partition(",")[0]
    more = "with reverberation" if change else ""
    print(f"{table:6} as {kind:9} {speech.dtype} up to {speech.max():7g}", end="")
    print(f"  highest log-mel: {result} {more}")
    found[table, bool(change)] = result
high = found["file", False]
if found["framed", False] != high or not isinstance(found["bare", False], str):
    sys.exit("CHANGED: expected the file's scale with framing, no features without")
if found["bare", True] == found["bare", True]:
    sys.exit("CHANGED: expected NaN with reverberation and no framing")
EOF
