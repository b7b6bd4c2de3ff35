#!/usr/bin/env bash
# Eight real utterances and the smallest models: that every stage runs, in a few minutes.
# Stage 7 needs a recogniser: --asr_exp ../encrl1/exp/asr_reference
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./lmprune.sh \
    --nj 1 \
    --lm_config conf/lmprune/tiny.yaml \
    --rows "cut_first_order_50 svd_activations_50 further_4 scratch_50" \
    --lm_weights 0.5 \
    --beam 2 \
    "$@"
