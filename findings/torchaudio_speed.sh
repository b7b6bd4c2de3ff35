#!/usr/bin/env bash
# torchaudio: a usual speed factor can need half a GB and 20 s for a second of audio.
#
# Speed perturbation with factors of 0.9 and 1.1 is standard in speech recognition.
# functional.speed() and the transforms Speed and SpeedPerturbation cut
# factor * orig_freq to a whole number and reduce the ratio of the two rates. One
# expects that a factor of 1.1 is the ratio 11 : 10 at any rate. It is at 16 kHz (17600 :
# 16000). At 11025 Hz, 1.1 * 11025 = 12127.5 becomes 12127, which has no common divisor
# with 11025: the filter has a row for each of 11025 phases, 535 MB instead of 1 kB,
# made anew in each call of functional.speed(): 17 to 20 s on a busy machine for one
# second of audio, instead of a millisecond. The speed is 1.09995 instead of 1.1. Other
# pairs of a factor and a rate need several GB; a process that tried one was ended by
# the system, because the memory was full.
#
# It matters because nothing else is wrong: the samples are right, and there is no
# message, but several loading processes fill the memory. What helps is to give the
# ratio to functional.resample() instead of the rates.
#
# PYTHON=p takes an environment in which torchaudio 2.11.0 is installed (one with ESPnet
# has it); without one, it is installed (with PyTorch: several GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import torchaudio' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check torch==2.14.1 torchaudio==2.11.0
    python=venv/bin/python
fi
"${python}" - <<'EOF'
import sys
import time

import torch
import torchaudio
from torchaudio.functional import resample, speed

print("torchaudio", torchaudio.__version__)
torch.set_num_threads(1)
second = torch.randn(1, 11025, generator=torch.Generator().manual_seed(0))


def timed(call):
    begin = time.perf_counter()
    made = call()
    return made, time.perf_counter() - begin


def filter_bytes(rate, factor):
    return torchaudio.transforms.Speed(rate, factor).resampler.kernel.nbytes


changed = False
for rate, factor in ((16000, 1.1), (22050, 1.1), (11025, 1.1), (11025, 0.9)):
    size = filter_bytes(rate, factor)
    print(f"filter for a factor of {factor} at {rate} Hz: {size / 1000:.1f} kB")
    changed |= (size > 100e6) != (rate == 11025)
exact, fast = timed(lambda: resample(second, 11, 10))
made, slow = timed(lambda: speed(second, 11025, 1.1)[0])
print(f"one second at 11025 Hz, factor 1.1: {slow:.2f} s; as 11 : 10 {fast:.5f} s")
print(f"{made.shape[1]} and {exact.shape[1]} samples")
changed |= slow < 50 * fast
if changed:
    sys.exit("CHANGED: the ratio is reduced well at 11025 Hz, too")
EOF
