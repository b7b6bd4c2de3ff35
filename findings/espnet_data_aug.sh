#!/usr/bin/env bash
# ESPnet: effects of data_aug_effects that stop the training or change the level of speech.
#
# preprocessor_conf.data_aug_effects (with data_aug_prob above 0) draws effects for each
# utterance. Four of them do something else than their names and descriptions say:
#
# - bandwidth_limitation draws one of four resampling methods for each utterance. Two of
#   them need the package resampy, which ESPnet does not install (only its extra "egs2"
#   does). Without it, every second utterance with this effect raises an error, so a
#   training stops at a random place, early or late depending on the weight.
# - deemphasis amplifies low frequencies up to 33 times, and torchaudio's filter then
#   clips at 1: of a tone of amplitude 0.1 and 200 Hz, a third of the samples. It is
#   described as the inverse of preemphasis; after preemphasis it is right.
# - clipping with its defaults cuts one side only: everything above the quantile 0.9, and
#   nothing below (the lower quantile is 0). Of noise as loud and soft as speech, the
#   positive half is cut at a seventh of the negative peak, and a mean remains that was not
#   there.
# - contrast makes a tone of amplitude 0.1 twice as loud (1.6 times with its least
#   strength, 0).
#
# It matters because none of this is visible in the log. What helps: install resampy (or
# set res_type: scipy), min_quantile: 0.1 for clipping, and no deemphasis.
#
# PYTHON=p takes an environment with ESPnet 202611; without one, it is installed (several
# GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import espnet2' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check \
        espnet==202611 torch==2.14.1 torchaudio==2.11.0
    python=venv/bin/python
fi
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.util
import random
import sys
from importlib.metadata import requires, version

import numpy as np
from espnet2.layers.augmentation import DataAugmentation

print("ESPnet", version("espnet"), "torchaudio", version("torchaudio"))
random.seed(0)
np.random.seed(0)
RATE = 16000
time = np.arange(2 * RATE) / RATE
tone = (0.1 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


def apply(effect, wave, **options):
    return DataAugmentation([[1.0, effect, options]])(wave.copy(), RATE)


wanted = [one for one in requires("espnet") if one.startswith("resampy")]
print("resampy in ESPnet's requirements:", wanted)
if not all("extra" in one for one in wanted):
    sys.exit("CHANGED: ESPnet requires resampy")
if importlib.util.find_spec("resampy") is None:
    failed, reasons = 0, set()
    for _ in range(200):
        try:
            apply("bandwidth_limitation", tone)
        except ModuleNotFoundError as error:
            failed += 1
            reasons.add(str(error).splitlines()[0])
    print(f"bandwidth_limitation: {failed} of 200 utterances fail: {', '.join(reasons)}")
    if not 60 < failed < 140:
        sys.exit("CHANGED: bandwidth_limitation")
    for _ in range(20):
        apply("bandwidth_limitation", tone, res_type="scipy")
    print("with res_type scipy: 0 of 20")
else:
    print("resampy is installed here: bandwidth_limitation works")

out = apply("deemphasis", tone)
flat = np.mean(np.abs(out) > 0.999)
print(f"deemphasis of a tone of 0.1: peak {np.abs(out).max():.2f}, {flat:.0%} of the samples at 1")
back = apply("deemphasis", apply("preemphasis", tone))
print(f"preemphasis, then deemphasis: {np.abs(back - tone).max():.1e} off")
if flat < 0.3 or np.abs(back - tone).max() > 1e-3:
    sys.exit("CHANGED: deemphasis")

# Loud and soft parts, as in speech.
envelope = np.abs(np.sin(2 * np.pi * 1.5 * time)) ** 4
speech = (0.2 * envelope * np.random.standard_normal(len(time))).astype(np.float32)
speech -= speech.mean()
out = apply("clipping", speech)
ratio = out.max() / -out.min()
print(
    f"clipping: from {speech.min():.2f} and {speech.max():.2f} to {out.min():.2f} and "
    f"{out.max():.2f}, mean {speech.mean():.0e} to {out.mean():.0e}"
)
both = apply("clipping", speech, min_quantile=0.1)
print(f"with min_quantile 0.1: {both.min():.2f} and {both.max():.2f}")
if ratio > 0.3 or out.min() != speech.min() or not 0.8 < both.max() / -both.min() < 1.2:
    sys.exit("CHANGED: clipping")

for strength in (0, 75):
    out = apply("contrast", tone, enhancement_amount=float(strength))
    print(f"contrast {strength}: amplitude 0.1 becomes {np.abs(out).max():.2f}")
    if np.abs(out).max() < 0.15:
        sys.exit("CHANGED: contrast")
EOF
