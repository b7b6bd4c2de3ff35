#!/usr/bin/env bash
# Every row of RESULTS.md, from nothing. What is finished is not done again, so run it
# again after an interruption.
#   ./table.sh [--jobs 2] [--seeds "1 2 3"] [-- options of run.sh, e.g. --local_data_opts ...]
set -euo pipefail

jobs=2           # Trainings side by side, one thread each.
seeds="1 2 3"    # Of the main rows; the others have the first one.
others=true      # Ablations, other sparsities pruned afterwards or pre-trained.
pretrain_set=    # Folder in data, for the rows begun from audio without transcripts.
own=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
[ $# -eq 0 ] || shift
more=  # Of no words printf would make an empty one.
[ $# -eq 0 ] || more=$(printf '%q ' "$@")
set -- "${own[@]}"
help_message=$(sed -n '2,4p' "$0")
. "$(dirname "$(readlink -f ./dualmode.sh)")/../encrl1/parse_options.sh"
. "$(dirname "$(readlink -f ./dualmode.sh)")/../encrl1/side_by_side.sh"
. ./path.sh
first=${seeds%% *}
begun=pretrained_50
! ${others} || begun+=" pretrained_30 pretrained_70"
[ -z "${pretrain_set}" ] || more+="--pretrain_set ${pretrain_set} "

eval "./run.sh --stage 1 --stop_stage 3 --nj ${jobs} ${more}"

tasks() {
    local seed row after
    # Long, and other rows wait for it: begun first, beside the main rows, and gone on
    # with as soon as it has ended.
    [ -z "${pretrain_set}" ] \
        || echo "--stage 4 --stop_stage 7 --rows '${begun}' --seed ${first}"
    for seed in ${seeds}; do
        for row in self_pruned_50 self_pruned_30 self_pruned_70; do
            echo "--stage 5 --stop_stage 7 --rows ${row} --seed ${seed}"
        done
        after="streaming_longer pruned_after_50"
        ! ${others} || after+=" pruned_after_30 pruned_after_70"
        # In this order: the others go on from the first.
        echo "--stage 8 --stop_stage 8 --baselines 'streaming_alone ${after}' --seed ${seed}"
        echo "--stage 8 --stop_stage 8 --baselines full_alone --seed ${seed}"
    done
    ${others} || return 0
    for row in dense_dense no_distillation_50 taylor_50 random_masks_50 fixed_masks_50 \
        early_50 blocks_50; do
        echo "--stage 5 --stop_stage 7 --rows ${row} --seed ${first}"
    done
}

pretrained_tasks() {
    local seed
    for seed in ${seeds#"${first}"}; do
        echo "--stage 5 --stop_stage 7 --rows pretrained_50 --seed ${seed}"
    done
}

tasks | side_by_side "${jobs}" "${more}"
[ -z "${pretrain_set}" ] || pretrained_tasks | side_by_side "${jobs}" "${more}"

# Speed is measured at the end, when nothing else runs; plots go beside RESULTS.md.
eval "./run.sh --stage 9 --stop_stage 9 --remeasure_rtf true --plot_dir plots ${more}"
