#!/usr/bin/env bash
# TED-LIUM 2, 207 hours: a 12-layer E-Branchformer, and models of 6, 4 and 2 layers from
# it. See README.md; --dry_run true tells the hours and the disk beforehand.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

# Some segments of talks are too short for their words: they are left out, and named.
exec ./encrl.sh \
    --nj 16 \
    --ngpu 1 \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --corpus_hours 207 \
    --estimate_opts "--segmented true" \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --bad_utterances drop \
    --token_type bpe \
    --nbpe 500 \
    --reference_config conf/large/reference_12.yaml \
    --encrl_config conf/large/encrl.yaml \
    --finetune_config conf/large/finetune.yaml \
    --baseline_training conf/large/scratch.yaml \
    "$@"
