#!/usr/bin/env bash
# CMU AN4: a full-context and a streaming recogniser of one set of weights. See README.md.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./dualmode.sh \
    --train_config conf/dualmode/train_an4.yaml \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --token_type char \
    "$@"
