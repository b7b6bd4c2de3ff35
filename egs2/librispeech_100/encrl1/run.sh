#!/usr/bin/env bash
# LibriSpeech, 100 hours: a 12-layer E-Branchformer, and models of 6, 4 and 2 layers from
# it. See README.md; --dry_run true tells the hours and the disk beforehand.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./encrl.sh \
    --nj 16 \
    --ngpu 1 \
    --train_set train_clean_100 \
    --valid_set dev \
    --test_sets "test_clean test_other dev_clean dev_other" \
    --corpus_hours 100.6 \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --bad_utterances drop \
    --token_type bpe \
    --nbpe 5000 \
    --reference_config conf/large/reference_12.yaml \
    --encrl_config conf/large/encrl.yaml \
    --finetune_config conf/large/finetune.yaml \
    --baseline_training conf/large/scratch.yaml \
    "$@"
