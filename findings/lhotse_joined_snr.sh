#!/usr/bin/env bash
# Lhotse: noise mixed into joined utterances has the level that fits the first of them.
#
# Trainings join short utterances (CutConcatenate, or cut.append) and mix noise into the
# result at a chosen signal-to-noise ratio (CutMix, or cut.mix(..., snr=10)), in this
# order in icefall's recipes. One expects the ratio between all of the speech and the
# noise, or the ratio in each utterance. Lhotse computes the level of the noise from the
# first utterance alone. With 10 dB asked for and levels that differ by 20 dB, as of a
# close and a far speaker, a quiet first utterance gives 27 dB in total. A loud one gives
# 7 dB in total: 10 dB in itself, and -10 dB in the utterance after it, which is lost in
# the noise. Nothing is said. CutConcatenate sorts by length, so the longest utterance
# decides.
#
# Silence that pads a cut does not have this effect: it is not taken for the reference.
#
# It matters for corpora of several microphones or distances: part of the training data
# has nearly no noise, and part of it has transcripts of inaudible speech.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch, which
# lhotse needs: several GB; or PYTHON has lhotse 1.33.0 already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import lhotse' 2> /dev/null; then
    "${python}" -m venv venv
    # lhotse imports urllib3 without declaring it.
    venv/bin/pip install -qq --disable-pip-version-check \
        numpy==2.3.5 soundfile==0.14.0 torch==2.14.1 torchaudio==2.11.0 lhotse==1.33.0 \
        urllib3==2.5.0
    python=venv/bin/python
fi
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import sys

import numpy as np
import soundfile
from lhotse import CutSet, Recording
from lhotse.dataset.cut_transforms import CutConcatenate, CutMix

print("lhotse", importlib.metadata.version("lhotse"))
rate, asked = 16000, 10
draw = np.random.default_rng(0).standard_normal


def cut(name, seconds, level):
    path = f"{name}.wav"
    soundfile.write(path, level * draw(round(seconds * rate)), rate, "FLOAT")
    return Recording.from_file(path).to_cut().with_id(name)


# Stationary sounds, so that a ratio is the same everywhere in an utterance.
loud, quiet = cut("loud", 2.0, 0.1), cut("quiet", 2.0, 0.01)
noise = cut("noise", 4.0, 0.03)


def ratios(joined, mixed):
    """Return the ratio in dB over everything, and in each half."""
    speech, sum_ = joined.load_audio()[0], mixed.load_audio()[0]
    half = len(speech) // 2
    parts = slice(None), slice(half), slice(half, None)
    return [
        10 * np.log10(max(np.mean(speech[p] ** 2), 1e-12) / np.mean((sum_ - speech)[p] ** 2))
        for p in parts
    ]


found = {}
for name, joined in (
    ("quiet, then loud", quiet.append(loud)),
    ("loud, then quiet", loud.append(quiet)),
    ("quiet, then silence", quiet.pad(duration=4.0)),
):
    found[name] = ratios(joined, joined.mix(noise, snr=asked))
    whole, first, second = found[name]
    parts = f"{first:.1f} and {second:.1f}" if "silence" not in name else f"{first:.1f}"
    print(f"{name:20} {whole:6.1f} dB in total, {parts} dB in the utterances")
# The same with the transforms of a training; a longer quiet utterance comes first.
longer = cut("longer", 2.2, 0.01)
(joined,) = CutConcatenate(gap=0.0, max_duration=6.0)(CutSet.from_cuts([loud, longer]))
(mixed,) = CutMix(CutSet.from_cuts([cut("background", 4.2, 0.03)]), snr=asked, p=1.0)(
    CutSet.from_cuts([joined])
)
found["transforms"] = ratios(joined, mixed)
print(f"{'transforms':20} {found['transforms'][0]:6.1f} dB in total")

near = {name: [round(value) for value in values] for name, values in found.items()}
if near["quiet, then loud"] != [27, 10, 30]:
    sys.exit("CHANGED: expected 10 dB in the quiet first utterance only")
if near["loud, then quiet"] != [7, 10, -10]:
    sys.exit("CHANGED: expected -10 dB in the quiet second utterance")
if near["quiet, then silence"][1] != 10:
    sys.exit("CHANGED: expected 10 dB in a padded utterance")
if not 25 < found["transforms"][0] < 28:
    sys.exit("CHANGED: expected the same from the transforms of a training")
EOF
