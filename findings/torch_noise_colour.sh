#!/usr/bin/env bash
# torch-audiomentations: its pink noise is nearly brown, and the same second of noise is
# repeated.
#
# AddColoredNoise takes f_decay, "the frequency power decay (1/f**f_decay)": 0 for white
# noise, 1 for pink, 2 for brown, -1 for blue. The power of pink noise falls by 3.0 dB for
# each octave. This package's falls by 6 dB above some 500 Hz, which is brown noise, and
# its brown noise by 12 dB: the exponent is applied to the amplitude instead of the power.
# Its axis is stretched as well (from 1 to the root of half the sampling rate), so that
# the power hardly changes below 90 Hz. From 100 to 6400 Hz, pink noise loses 30 dB
# instead of 18, brown noise 60 instead of 36, and blue noise gains 31 instead of 18.
#
# The noise is made for one second and repeated to the length of the input: what is added
# to a recording of 10 s is the same second 10 times (correlation 1.000 at a lag of one
# second), a line every 1 Hz. A network can see the noise's waveform again after a second,
# which no real noise allows.
#
# It matters because recognisers for devices are trained with such noise: noise that is
# 12 dB weaker at 6400 Hz than it should be, and that repeats itself, leaves the
# consonants alone, and nothing but a spectrum shows it. audiomentations (for NumPy) has
# 19 dB for pink noise.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch: several
# GB; or PYTHON has torch-audiomentations and audiomentations already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import torch_audiomentations, audiomentations' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check \
        numpy==2.3.5 torch==2.14.1 torchaudio==2.11.0 torch-audiomentations==0.12.0 \
        audiomentations==0.43.1
    python=venv/bin/python
fi
"${python}" -W ignore - <<'EOF'
import importlib.metadata
import sys

import numpy as np
import torch
from audiomentations import AddColorNoise
from torch_audiomentations import AddColoredNoise

for name in "torch-audiomentations", "audiomentations":
    print(name, importlib.metadata.version(name))
RATE, SECONDS = 16000, 10
torch.manual_seed(0)
np.random.seed(0)
signal = 0.1 * torch.randn(1, 1, RATE * SECONDS)


def of_torch(decay):
    """What is added at 0 dB for one value of f_decay."""
    noisy = AddColoredNoise(
        min_snr_in_db=0,
        max_snr_in_db=0,
        min_f_decay=decay,
        max_f_decay=decay,
        p=1,
        sample_rate=RATE,
        output_type="tensor",
    )(signal, sample_rate=RATE)
    return (noisy - signal)[0, 0].double().numpy()


def of_numpy(decay):
    """The same with audiomentations, whose f_decay is in dB per octave."""
    db = -10 * np.log10(2) * decay
    add = AddColorNoise(0, 0, p=1, p_apply_a_weighting=0, min_f_decay=db, max_f_decay=db)
    clean = signal[0, 0].numpy()
    return (add(clean, sample_rate=RATE) - clean).astype(np.float64)


def band(noise, low, high):
    """The mean power of a band in dB."""
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    return 10 * np.log10(power[(hz >= low) & (hz < high)].mean())


def exact(decay, low, high):
    """The mean of 1 / f ** decay over a band in dB."""
    hz = np.linspace(low, high, 100000)
    return 10 * np.log10((hz**-decay).mean())


def fall(level):
    """From the octave around 100 Hz to the one around 6400 Hz, in dB."""
    root = 2**0.25
    return level(100 / root, 100 * root) - level(6400 / root, 6400 * root)


falls = {}
for colour, decay in {"white": 0, "pink": 1, "brown": 2, "blue": -1}.items():
    mine, other = of_torch(decay), of_numpy(decay)
    right = fall(lambda *edges: exact(decay, *edges))
    falls[decay] = [
        fall(lambda *edges: band(mine, *edges)),
        fall(lambda *edges: band(other, *edges)),
        right,
    ]
    print(
        f"{colour:5} from 100 to 6400 Hz: falls by {falls[decay][0]:6.1f} dB, "
        f"audiomentations {falls[decay][1]:6.1f} dB, by definition {right:6.1f} dB"
    )
pink = of_torch(1)
octave = band(pink, 1600, 3200) - band(pink, 3200, 6400)
print(f"pink, an octave at 3200 Hz: falls by {octave:.1f} dB, by definition 3.0 dB")
lag = np.corrcoef(pink[RATE:], pink[:-RATE])[0, 1]
print(f"correlation of the noise with itself one second later: {lag:.4f}")

if abs(falls[0][0]) > 2 or abs(falls[1][1] - falls[1][2]) > 4:
    sys.exit("CHANGED: white noise or audiomentations is off as well")
if falls[1][0] < falls[1][2] + 8 or falls[2][0] < falls[2][2] + 16 or octave < 5:
    sys.exit("CHANGED: the power falls as the colours say")
if lag < 0.999:
    sys.exit("CHANGED: the noise is not repeated each second")
EOF
