#!/usr/bin/env bash
# ESPnet: batch_bins and batch_size do not limit the size of a batch.
#
# Batches of similar lengths are made by sorting. Where the corpus has short and long
# utterances (commands and dictations), ESPnet's options for their size are exceeded
# several times, without a message:
#
# * numel and length: an utterance is added before the sum is compared with batch_bins,
#   so the one that exceeds the limit is part of the batch. All others are padded to
#   its length: 92 utterances, 6.9 times the limit.
# * folded: the help says that L, whose folds reduce the size, is "the largest length of
#   samples in the mini-batch". It is the smallest: a batch with an utterance of 20 s,
#   3 folds, has 56 utterances; for it the code's own formula allows 16 of batch_size 64.
# * shuffle_within_batch: all batches of an epoch get the number of utterances of the
#   batch that comes first after the shuffling, and utterances are mixed whatever their
#   lengths are. With numel, one seed has batches of 12 utterances and another batches
#   of 165, with up to 16 times the limit.
#
# It matters for memory (a training fails in the one batch where both meet, often late,
# because batches are shuffled) and for time: the padding is computed.
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
import random
import sys

from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
from espnet2.samplers.build_batch_sampler import BATCH_TYPES, build_batch_sampler

print("espnet", importlib.metadata.version("espnet"))
if "largest length of samples in the mini-batch" not in BATCH_TYPES["folded"]:
    sys.exit("CHANGED: expected the help of batch_type folded to name the largest length")

# 400 utterances of 1 to 1.5 s and 40 of 15 to 20 s, at 16 kHz.
draw = random.Random(0).randrange
lengths = {f"short{i:03d}": 16000 + draw(8000) for i in range(400)}
lengths |= {f"long{i:02d}": 240000 + draw(80000) for i in range(40)}
with open("speech_shape", "w") as file:
    file.writelines(f"{name} {length}\n" for name, length in lengths.items())

LIMIT, SIZE, FOLD = 3200000, 64, 80000


def batches_of(kind):
    return list(
        build_batch_sampler(
            type=kind,
            batch_size=SIZE,
            batch_bins=LIMIT,
            shape_files=["speech_shape"],
            fold_lengths=[FOLD],
            min_batch_size=1,
            sort_in_batch="descending",
            sort_batch="descending",
            drop_last=False,
        )
    )


def padded(batch):
    return len(batch) * max(lengths[name] for name in batch)


for kind in "numel", "length":
    batches = batches_of(kind)
    worst = max(batches, key=padded)
    times = padded(worst) / LIMIT
    rest = sorted(padded(batch) / LIMIT for batch in batches)[-2]
    found = sorted(lengths[name] for name in worst)
    print(
        f"{kind}: batch_bins {LIMIT}: {len(worst) - 1} utterances of {found[0]} to "
        f"{found[-2]} and one of {found[-1]}: {times:.1f} times (next: {rest:.1f})"
    )
    if times < 5:
        sys.exit("CHANGED: expected a batch of more than 5 times batch_bins")

worst = max(batches_of("folded"), key=padded)
first, last = (f(lengths[name] for name in worst) for f in (min, max))
by = [SIZE // (1 + length // FOLD) for length in (first, last)]
print(
    f"folded: batch_size {SIZE}, fold_length {FOLD}: {len(worst)} utterances of {first} "
    f"to {last}; the formula allows {by[1]} with the largest, {by[0]} with the smallest"
)
if not 3 * by[1] < len(worst) <= by[0]:
    sys.exit("CHANGED: expected the size to follow the smallest length")

sizes = set()
for seed in range(10):
    factory = SequenceIterFactory(
        dataset=list(lengths),
        batches=batches_of("numel"),
        shuffle=True,
        shuffle_within_batch=True,
        seed=seed,
    )
    made = factory.build_iter(1).batch_sampler
    size, times = len(made[0]), max(map(padded, made)) / LIMIT
    sizes.add(size)
    print(f"shuffle_within_batch, seed {seed}: batches of {size}, up to {times:.1f} times")
    if any(len(batch) != size for batch in made[:-1]):
        sys.exit("CHANGED: expected one number of utterances for all batches")
if max(sizes) < 5 * min(sizes):
    sys.exit("CHANGED: expected batches of very different sizes from one seed to another")
EOF
