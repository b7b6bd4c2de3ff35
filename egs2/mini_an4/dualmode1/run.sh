#!/usr/bin/env bash
# Eight real utterances and the smallest models: that every stage runs, in a few minutes.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./dualmode.sh \
    --nj 1 \
    --train_config conf/dualmode/tiny.yaml \
    --pretrain_config conf/dualmode/tiny_pretrain.yaml \
    "$@"
