#!/usr/bin/env bash
# LibriSpeech, 960 hours: a 17-layer E-Branchformer, and models of 6, 4 and 2 layers from
# it. See README.md; --dry_run true estimates time and disk space beforehand.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

# An epoch is 2900 hours of audio, so there are half as many epochs as with 100 hours.
exec ./encrl.sh \
    --nj 16 \
    --ngpu 1 \
    --train_set train_960 \
    --valid_set dev \
    --test_sets "test_clean test_other dev_clean dev_other" \
    --corpus_hours 960.9 \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --bad_utterances drop \
    --token_type bpe \
    --nbpe 5000 \
    --reference_config conf/large/reference_17.yaml \
    --encrl_config conf/large/encrl.yaml \
    --encrl_epochs 10 \
    --finetune_config conf/large/finetune.yaml \
    --finetune_epochs 5 \
    --baseline_training conf/large/scratch.yaml \
    --baseline_epochs 15 \
    "$@"
