#!/usr/bin/env bash
# SpeechBrain: the shorter an utterance in its batch, the less noise it gets; and a
# "random selection" of masks is made once.
#
# AddNoise(snr_low, snr_high) without a list of noise files adds white noise at a random
# ratio. It takes the lengths of the utterances and computes the level of the speech from
# the valid part. The level of the noise is the energy of the whole padded row divided by
# the length of the utterance, so the noise is scaled down by the share of padding: the
# ratio is 10 * log10(padded / valid) dB too high. One expects 5 dB for all. In a batch
# whose longest utterance is 16 s, an utterance of 4 s gets 11 dB and one of 1 s 17 dB. The
# same utterance alone gets 5 dB. The padding itself becomes noise.
#
# SpectrogramDrop(replace="random_selection") promises another kind of mask (zeros, mean,
# random numbers, parts of another utterance or of another time) for each batch. The
# first batch's choice overwrites the option: all later batches of the training have it.
#
# It matters because the robustness that one trains for depends on the batches: sorted by
# length it is as asked for, and random batches leave short commands nearly clean. The log
# has neither, and an experiment of the kind of mask is decided by its first batch.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch: several
# GB; or PYTHON has SpeechBrain already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import speechbrain' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check \
        numpy==2.3.5 torch==2.14.1 torchaudio==2.11.0 speechbrain==1.1.2
    python=venv/bin/python
fi
"${python}" -W ignore - <<'EOF'
import importlib.metadata
import random
import sys

import torch
from speechbrain.augment.freq_domain import SpectrogramDrop
from speechbrain.augment.time_domain import AddNoise

print("speechbrain", importlib.metadata.version("speechbrain"))
RATE, ASKED, LONGEST = 16000, 5, 16
torch.manual_seed(0)
random.seed(0)
add = AddNoise(snr_low=ASKED, snr_high=ASKED)
share = 1 / (10 ** (ASKED / 20) + 1)  # AddNoise scales the speech by 1 - share


def ratio(batch, lengths, row):
    """The ratio of speech to noise in the valid part of one row, in dB."""
    noisy = add(batch, torch.tensor(lengths))
    valid = int(lengths[row] * batch.shape[1])
    speech = (1 - share) * batch[row, :valid].double()
    noise = noisy[row, :valid].double() - speech
    return 10 * torch.log10((speech**2).mean() / (noise**2).mean()).item()


found = {}
for seconds in (16, 8, 4, 1):
    batch = torch.zeros(2, LONGEST * RATE)
    batch[0] = 0.1 * torch.randn(LONGEST * RATE)
    batch[1, : seconds * RATE] = 0.1 * torch.randn(seconds * RATE)
    alone = ratio(batch[1:, : seconds * RATE], [1.0], 0)
    found[seconds] = ratio(batch, [1.0, seconds / LONGEST], 1)
    print(
        f"{ASKED} dB for {seconds} s: alone {alone:.2f} dB, beside {LONGEST} s "
        f"{found[seconds]:.2f} dB"
    )
    if abs(alone - ASKED) > 0.2:
        sys.exit(f"CHANGED: expected {ASKED} dB for the utterance alone")
padding = add(batch, torch.tensor([1.0, 1 / LONGEST]))[1, 2 * RATE :]
print(f"largest sample in the padding: {padding.abs().max():.3f}")

drop = SpectrogramDrop(replace="random_selection")
kinds = set()
for _ in range(100):
    drop(torch.randn(4, 100, 20))
    kinds.add(drop.replace)
print(f"random_selection, 100 batches: {', '.join(sorted(kinds))}")

for seconds, snr in found.items():
    known = ASKED + 10 * torch.log10(torch.tensor(LONGEST / seconds)).item()
    if abs(snr - known) > 0.3:
        sys.exit(f"CHANGED: expected {known:.1f} dB for {seconds} s")
if len(kinds) != 1:
    sys.exit("CHANGED: the masks are of several kinds")
EOF
