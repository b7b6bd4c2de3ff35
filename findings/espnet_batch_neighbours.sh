#!/usr/bin/env bash
# ESPnet: with three of its encoders, an utterance's output depends on the utterances
# that are beside it in the batch.
#
# Padding is masked, and since version 202609 the convolutions of the conformer mask it
# too. So one expects the same encoding of an utterance alone and beside a longer one.
# For the transformer and the E-Branchformer this is true, to the last bit. It is not for
#
# * conformer with its defaults. rel_pos_type is "legacy" there, and its shift of the
#   matrix of positions reads, for a key that is n > 1 frames in the future, the score of
#   the *next* frame's query with a position in the past, counted from the end of the
#   padded batch. The key 1 frame ahead gets 0. So all frames change with the length of
#   the longest utterance. With rel_pos_type: latest they do not.
# * contextual_block_transformer and contextual_block_conformer, ESPnet's streaming
#   encoders: the last blocks of a shorter utterance contain its padding. They change by
#   as much as the outputs themselves, the rest not at all.
#
# It matters when posteriors are compared or stored: those of one utterance differ
# between decoding alone, decoding in batches, and each epoch of a training. Distances
# between a teacher and a student, for example, contain this difference.
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

import torch

logging.disable(logging.CRITICAL)
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    LegacyRelPositionMultiHeadedAttention,
)
from espnet2.tasks.asr import encoder_choices

for name in "espnet", "torch":
    print(name, importlib.metadata.version(name), end="  ")
print("\nencoder, options: largest difference (mean size of an output), frames changed")
torch.manual_seed(0)
# Features as after normalisation: 3 s, and 3 s beside 5 s.
short, long = torch.randn(1, 300, 80), torch.randn(1, 500, 80)
batch = torch.cat([torch.nn.functional.pad(short, (0, 0, 0, 200)), long])


def difference(name, **options):
    torch.manual_seed(1)
    if name.endswith("branchformer"):
        options |= dict(cgmlp_linear_units=64, cgmlp_conv_kernel=15)
    kind = encoder_choices.get_class(name)
    encoder = kind(80, output_size=32, attention_heads=2, num_blocks=3, **options)
    encoder.eval()
    with torch.no_grad():
        alone = encoder(short, torch.tensor([300]))[0][0]
        beside = encoder(batch, torch.tensor([300, 500]))[0][0, : len(alone)]
    found = (alone - beside).abs().amax(1)
    changed = (found > 1e-4).nonzero().flatten()
    print(
        f"{name:29} {str(options or ''):58} {found.max():.3f} "
        f"({alone.abs().mean():.2f})  {len(changed)} of {len(alone)}"
    )
    return found.max().item(), changed.tolist(), len(alone)


for name, options in (
    ("transformer", {}),
    ("e_branchformer", {}),
    ("conformer", dict(rel_pos_type="latest")),
):
    if difference(name, **options)[0] > 1e-5:
        sys.exit(f"CHANGED: expected no difference for {name}")
most, changed, frames = difference("conformer")
if most < 0.005 or len(changed) < frames:
    sys.exit("CHANGED: expected a difference in all frames of the default conformer")
for name in "contextual_block_transformer", "contextual_block_conformer":
    most, changed, frames = difference(name)
    if most < 0.2 or not 0 < frames - changed[0] <= 32:
        sys.exit(f"CHANGED: expected a difference at the end for {name}")

print("\nwhat the shift reads for query q and key k, as (query, position in the past):")
size = 5
queries, positions = torch.meshgrid(*2 * [torch.arange(size)], indexing="ij")
# Position p of the table is size - 1 - p frames in the past; 0 stays for "nothing".
code = (10 * (queries + 1) + size - positions).float()[None, None]
shifted = LegacyRelPositionMultiHeadedAttention.rel_shift(
    LegacyRelPositionMultiHeadedAttention(1, 4, 0.0), code
)[0, 0]
read = {}
for q in range(size):
    row = []
    for k in range(size):
        value = int(shifted[q, k])
        read[q, k] = (value // 10 - 1, value % 10 - 1) if value else None
        row.append(str(read[q, k]) if value else "   0  ")
    print(f"q {q}:", "  ".join(row))
if read[2, 0] != (2, 2) or read[0, 1] is not None or read[0, 2] != (1, size - 1):
    sys.exit("CHANGED: expected keys in the future to get the next query's scores")
EOF
