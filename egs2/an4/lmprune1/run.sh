#!/usr/bin/env bash
# CMU AN4: a small language model of its transcripts, made smaller. See README.md.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./lmprune.sh \
    --lm_config conf/lmprune/train_lm_an4.yaml \
    --token_type char \
    "$@"
