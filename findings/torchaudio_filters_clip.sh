#!/usr/bin/env bash
# torchaudio: filters clip their result to [-1, 1], without an option or a message.
#
# functional.deemphasis() is documented as y[i] = x[i] + coeff * y[i-1], and the biquad
# filters (equalizer_biquad, bass_biquad, lowpass_biquad...) as filters of a waveform.
# One expects a linear filter: half the input gives half the output, and what goes beyond
# 1 can be scaled afterwards. All of them end in lfilter(), which clips by default, and
# have no option against it:
#
# * De-emphasis of a tone of 200 Hz with amplitude 0.5 is a square-like wave of amplitude
#   1 instead of a tone of 8. The same tone at a tenth of the level is right.
# * An equaliser of +12 dB at 200 Hz: 1 instead of 2.
# * Samples in the range of 16-bit integers, as Kaldi keeps them, are all -1 or 1 after a
#   low-pass filter that should change nothing: 0.01 % of their level is left.
#
# It matters for augmentation: ESPnet's data_aug_effects (deemphasis, equalization,
# lowpass...) are these functions, so some utterances become distorted depending on their
# level. SoX, whose filters these are, warns of clipping.
#
# PYTHON=p chooses the Python that makes the temporary environment, or one with torchaudio.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import torchaudio, scipy' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 \
        torch==2.14.1 torchaudio==2.11.0
    python=venv/bin/python
fi
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import math
import sys

import torch
import torchaudio
import torchaudio.functional as F
from scipy.signal import lfilter

print("torchaudio", torchaudio.__version__)
rate = 16000
tone = 0.5 * torch.sin(2 * math.pi * 200 * torch.arange(rate) / rate)


def other_frequencies(samples):
    """Share of the power that is not at 200 Hz, in the steady second half."""
    power = torch.fft.rfft(samples[rate // 2 :].double()).abs() ** 2
    return 1 - (power[100] / power[1:].sum()).item()


def scipy_deemphasis(samples):
    return torch.from_numpy(lfilter([1.0], [1.0, -0.97], samples.numpy()))


def equalise(samples):
    return F.equalizer_biquad(samples, rate, 200, 12.0, 0.707)


print("peak of the result, power at other frequencies; the same for a tenth of the level")
for name, apply, right in (
    ("deemphasis, SciPy", scipy_deemphasis, True),
    ("deemphasis", lambda x: F.deemphasis(x, 0.97), False),
    ("equaliser, +12 dB", equalise, False),
):
    loud, soft = apply(tone), 10 * apply(tone / 10)
    found = [(one.abs().max().item(), other_frequencies(one)) for one in (loud, soft)]
    print(f"{name:18}", *(f"{peak:5.2f} {100 * rest:4.1f} %" for peak, rest in found))
    if right and abs(found[0][0] - found[1][0]) > 1e-3:
        sys.exit("CHANGED: expected a linear filter from SciPy")
    if not right and (found[0][0] > 1 or found[1][0] < 1.9 or found[1][1] > 0.01):
        sys.exit("CHANGED: expected the louder tone to be clipped at 1")

integers = 32768 * tone
passed = F.lowpass_biquad(integers, rate, 3000)
left = (passed.square().mean() / integers.square().mean()).sqrt().item()
print(f"low-pass of 16-bit values: {100 * left:.4f} % of the level, up to {passed.max()}")
if left > 1e-4:
    sys.exit("CHANGED: expected 16-bit values to be clipped at 1")
EOF
