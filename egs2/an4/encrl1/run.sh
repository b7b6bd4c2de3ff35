#!/usr/bin/env bash
# CMU AN4: a 12-layer conformer, and models of 6, 4 and 2 layers from it. See README.md.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./encrl.sh \
    --corpus_hours 0.63 \
    --estimate_opts "--utterance_seconds 2.7" \
    --speed_perturb_factors "0.85 0.925 1.0 1.075 1.15" \
    --token_type char \
    --student_init first \
    --family nested \
    --freeze encoder.embed \
    --finetune_epochs 0 \
    --finetune_alone "2:5" \
    "$@"
