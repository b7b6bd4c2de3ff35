#!/usr/bin/env bash
# ESPnet: SpecAugment's masks are a loud sound, and the highest mel filter is never masked.
#
# SpecAugment hides parts of the features by a neutral value. ESPnet masks before it
# normalises, and its default value is 0. For the logarithms of mel energies that it
# computes, 0 is not neutral: it is the level of a very loud sound. After normalisation,
# masked parts lie several standard deviations above the mean, in all filters at once.
#
# The option replace_with_zero: false takes the mean of the features instead, but it is
# the mean of the whole padded batch, in which padding is 0: the same utterance gets
# another value beside a longer one.
#
# Positions are drawn so that a mask always ends before the last filter (and the last
# frame): with masks of up to 30 of 80 filters, the highest filter is hidden in none of
# 2000 draws.
#
# It matters because the model learns from sounds that do not exist, and because two
# trainings that differ in their batches alone also differ in what a mask is.
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

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

logging.disable(logging.WARNING)
from espnet2.asr.frontend.default import DefaultFrontend
from espnet2.asr.specaug.specaug import SpecAug
from espnet2.layers.global_mvn import GlobalMVN

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)


def sound(seconds, seed):
    """Noise with the slope and the syllables of speech, at 5 % of full scale."""
    rng = np.random.default_rng(seed)
    n = int(16000 * seconds)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= 1 + np.arange(len(spectrum)) * 16000 / n / 500
    samples = np.fft.irfft(spectrum, n)
    samples *= 0.2 + np.sin(2 * np.pi * 2 * np.arange(n) / 16000) ** 2
    return torch.tensor(0.05 * samples / samples.std(), dtype=torch.float32)


def features(*sounds):
    lengths = torch.tensor([len(one) for one in sounds])
    return DefaultFrontend(fs=16000)(pad_sequence(list(sounds), True), lengths)


feats, lengths = features(*(sound(4, seed) for seed in range(20)))
flat = feats.reshape(-1, feats.shape[-1]).double()
np.savez("stats.npz", count=len(flat), sum=flat.sum(0), sum_square=(flat**2).sum(0))
normalize = GlobalMVN("stats.npz")


def masked(zero, *sounds):
    """Normalised values of masked parts of the first sound."""
    options = dict(apply_time_warp=False, apply_time_mask=False)
    specaug = SpecAug(freq_mask_width_range=(10, 20), replace_with_zero=zero, **options)
    torch.manual_seed(0)
    before, lengths = features(*sounds)
    after, _ = specaug(before.clone(), lengths)
    hidden = (before != after).all(dim=1)[0]
    return normalize(after, lengths)[0][0, : lengths[0], hidden]


short, long = sound(1, 100), sound(12, 101)
zeros = masked(True, short)
print(f"the default, 0: {zeros.min():.1f} to {zeros.max():.1f} standard deviations")
loudest = normalize(feats.clone(), lengths)[0].max()
print(f"loudest value without masks, of 20 sounds: {loudest:.1f}")
alone = masked(False, short).mean()
beside = masked(False, short, long).mean()
print(f"replace_with_zero: false, alone {alone:.2f}, beside a longer one {beside:.2f}")
specaug = SpecAug(apply_time_warp=False, apply_time_mask=False,
                  freq_mask_width_range=(0, 30))  # fmt: skip
hits = torch.zeros(80)
for _ in range(2000):
    hits += specaug(torch.ones(1, 1, 80))[0][0, 0] == 0
print("draws of 2000 that hide filters 1, 40, 79, 80:",
      [int(hits[n]) for n in (0, 39, 78, 79)])  # fmt: skip
if zeros.min() < 1:
    sys.exit("CHANGED: a masked part is near the mean")
if beside - alone < 0.5:
    sys.exit("CHANGED: the mean does not depend on the padding")
if hits[79] != 0 or hits[40] == 0:
    sys.exit("CHANGED: the highest filter is masked, too")
EOF
