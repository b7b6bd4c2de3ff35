#!/usr/bin/env bash
# Eight real utterances and the smallest models: that every stage runs, in a few minutes.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

# So small a reference only writes blanks, and so do students that start from its layers.

exec ./encrl.sh \
    --nj 1 \
    --reference_config conf/tiny_reference.yaml \
    --encrl_config conf/tiny_encrl.yaml \
    --finetune_config conf/tiny_ctc.yaml \
    --baseline_training conf/tiny_ctc.yaml \
    --sizes "2 1" \
    --student_init random \
    "$@"
