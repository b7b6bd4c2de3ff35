#!/usr/bin/env bash
# ESPnet: how much SpecAugment hides of an utterance depends on the others in its batch.
#
# time_mask_width_ratio_range gives the width of a time mask as a share of the utterance,
# as the SpecAugment paper bounds it (its "p"). ESPnet takes the share of the padded length
# of the whole batch, and draws the position in this length too. So in a batch with a
# longer utterance, a short one gets masks as wide as those of the long one, most of which
# lie in its padding: on average about as much of it is hidden as alone, but now often
# nothing and sometimes nearly all.
#
# One would expect that the masks of an utterance do not depend on its neighbours, and
# that no utterance is ever hidden as a whole: 10 masks of at most 5 % hide at most half.
# It matters because a wholly hidden utterance teaches a CTC model to say its transcript
# without hearing it, because a third of the short utterances are not augmented at all,
# and because the same configuration augments otherwise with other batches (batch_type,
# batch_bins, a corpus with more varied lengths). Batches of similar lengths avoid it.
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

logging.disable(logging.WARNING)
from espnet2.asr.specaug.specaug import SpecAug

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
torch.manual_seed(0)
DRAWS, SHORT = 2000, 100
specaug = SpecAug(
    apply_time_warp=False,
    apply_freq_mask=False,
    time_mask_width_ratio_range=[0.0, 0.05],
    num_time_mask=10,
)


def hidden(longest):
    """Share of the short utterance that is hidden, in each draw."""
    lengths = torch.tensor(sorted({SHORT, longest}))
    shares = []
    for _ in range(DRAWS):
        after, _ = specaug(torch.ones(len(lengths), longest, 1), lengths)
        shares.append((after[0, :SHORT, 0] == 0).float().mean())
    return torch.stack(shares)


print(f"an utterance of {SHORT} frames, 10 masks of 0 to 5 %, {DRAWS} draws:")
print("longest of the batch | hidden on average, at most | nothing | over half")
found = {}
for longest in (SHORT, 3 * SHORT, 10 * SHORT, 30 * SHORT):
    share = hidden(longest)
    found[longest] = share
    columns = share.mean(), share.max(), (share == 0).float().mean()
    words = [f"{100 * value:3.0f} %" for value in (*columns, (share > 0.5).float().mean())]
    print(f"{longest:5d} frames | {words[0]}, {words[1]} | {words[2]} | {words[3]}")
alone, beside = found[SHORT], found[10 * SHORT]
if alone.max() > 0.5 or (alone == 0).float().mean() > 0.01:
    sys.exit("CHANGED: alone, more than half is hidden, or nothing")
if (beside == 0).float().mean() < 0.2 or beside.max() < 0.8:
    sys.exit("CHANGED: the masks of an utterance no longer depend on its neighbours")
EOF
