#!/usr/bin/env bash
# The whole job on a small synthesised corpus, in minutes. See README.md.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

# Whole words as BPE units: short targets, so CTC learns from few updates. The sentences are
# drawn from a small grammar, so that some of them are in two sets.
exec ./encrl.sh \
    --nj 2 \
    --expected_warnings shared-text \
    --token_type bpe \
    --nbpe 150 \
    --reference_config conf/demo_reference.yaml \
    --encrl_config conf/demo_encrl.yaml \
    --finetune_config conf/demo_finetune.yaml \
    --baseline_training conf/demo_scratch.yaml \
    --sizes "4 3 2" \
    --student_init first \
    --family nested \
    --freeze encoder.embed \
    --finetune_epochs 0 \
    --teacher_cache auto \
    --results exp/RESULTS.md \
    --results_json exp/results.json \
    "$@"
