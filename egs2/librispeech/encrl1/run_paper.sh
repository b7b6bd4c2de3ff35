#!/usr/bin/env bash
# The setting of Hannan et al., Interspeech 2025: a weak reference of 12 Conformer layers,
# 150 epochs of it and of each model from scratch, 100 of EncRL and 50 of fine-tuning, BPE
# of 256 pieces, no speed perturbation. conf/paper/reference.yaml lists what still differs.
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

exec ./run.sh \
    --expdir exp/paper \
    --speed_perturb_factors "" \
    --nbpe 256 \
    --reference_config conf/paper/reference.yaml \
    --encrl_config conf/paper/encrl.yaml \
    --student_init random \
    --encrl_epochs "" \
    --finetune_config conf/paper/finetune.yaml \
    --finetune_epochs "" \
    --baseline_training conf/paper/scratch.yaml \
    --baseline_epochs "" \
    "$@"
