#!/usr/bin/env bash
# Eight real utterances and the smallest models: that every stage runs, in a few minutes.
set -euo pipefail

exec ./dualmode.sh \
    --nj 1 \
    --train_config conf/dualmode/tiny.yaml \
    --pretrain_config conf/dualmode/tiny_pretrain.yaml \
    "$@"
