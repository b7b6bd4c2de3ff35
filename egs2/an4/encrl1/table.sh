#!/usr/bin/env bash
# Every row of RESULTS.md, from nothing. What is finished is not done again, so run it
# again after an interruption.
#   ./table.sh [--jobs 2] [--seeds "1 2 3"] [-- options of run.sh, e.g. --local_data_opts ...]
set -euo pipefail

jobs=2           # Trainings side by side, one thread each: more throughput than threads.
seeds="1 2 3"    # Of the main rows; the ablations have the first one.
ablations=true
own=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
[ $# -eq 0 ] || shift
more=  # Of no words printf would make an empty one.
[ $# -eq 0 ] || more=$(printf '%q ' "$@")
set -- "${own[@]}"
help_message=$(sed -n '2,4p' "$0")
. "$(dirname "$(readlink -f ./encrl.sh)")/parse_options.sh"
. "$(dirname "$(readlink -f ./encrl.sh)")/side_by_side.sh"
. ./path.sh
first=${seeds%% *}

# The reference comes first and alone, with all cores. (nproc itself heeds the variable.)
cores=$(env -u OMP_NUM_THREADS nproc)
eval "OMP_NUM_THREADS=${cores} ./run.sh --stage 1 --stop_stage 4 --nj ${jobs} ${more}"

tasks() {
    local seed name cached="--teacher_cache exp/teacher_cache"
    for seed in ${seeds}; do
        echo "--stage 5 --stop_stage 7 --direct true --seed ${seed} ${cached}"
        echo "--stage 8 --stop_stage 8 --seed ${seed}"
    done
    ${ablations} || return 0
    local from="--stage 5 --stop_stage 7 --direct true --seed ${first}"
    # The published objectives, start and 2 : 1 of epochs (CLIP is normalised, see clip.py).
    echo "${from} ${cached} --tag encrl_paper --variant 'published objectives and start' --student_init random" \
        "--family last --freeze '' --finetune each --finetune_alone ''" \
        "--objectives 'clip mse' --encrl_epochs 6 --finetune_epochs 3"
    # One size alone: what to match.
    local alone="--sizes 6 --finetune each --finetune_alone ''"
    for name in "clip kl" kl clip mse mae "clip mae" "clip mse"; do
        echo "${from} ${alone} ${cached} --objectives '${name}'" \
            "--tag encrl_${name// /_} --variant '${name// /+}'"
    done
    # Where to start from. Random weights are not frozen.
    for name in first last; do
        echo "${from} ${alone} ${cached} --student_init ${name}" \
            "--tag encrl_init_${name} --variant '${name} layers'"
    done
    name="${alone} --student_init random --freeze ''"
    echo "${from} ${name} ${cached} --tag encrl_init_random --variant 'random start'"
    # Negative control: a teacher that knows nothing must not help.
    echo "${from} ${name} --tag encrl_untrained --variant 'random start, untrained reference'" \
        "--reference_exp exp/asr_untrained --teacher_cache exp/teacher_cache_untrained"
    # The control's own control, and two sizes from scratch for longer (the third is).
    from="--stage 8 --stop_stage 8 --seed ${first}"
    echo "${from} --sizes 6 --baselines scratch_finetune"
    echo "${from} --sizes '6 4' --baselines scratch_longer"
    # What EncRL adds to copying, and from scratch at its cost.
    echo "${from} --baselines 'early_exit_copy scratch_cost'"
}

python3 -m espnet_plugin.bin.train_models --kind untrained \
    --reference_config exp/asr_reference/config.yaml --output exp/asr_untrained
tasks | side_by_side "${jobs}" "${more}"

# What to match, against the objectives of all other rows.
compare=
if ${ablations}; then
    for name in kl clip mse mae clip+mae clip+mse; do
        compare+=" --compare 'encrl clip+kl 6' 'encrl ${name} 6'"
        compare+=" --compare 'encrl_direct clip+kl 6' 'encrl_direct ${name} 6'"
    done
fi

# Speed is measured at the end, when nothing else runs; plots go beside RESULTS.md.
eval "./run.sh --stage 9 --stop_stage 9 --remeasure_rtf true --plot_dir plots" \
    "--report_opts \"${compare}\" ${more}"
