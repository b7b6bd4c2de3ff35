#!/usr/bin/env bash
# The tables of RESULTS.md, ABLATIONS.md, TRIALS.md and ONE_RUN.md, from nothing. What is
# finished is not done again, so run it again after an interruption, or for more rows.
#   ./table.sh [--jobs 2] [--seeds "1 2 3"] [--rows "main ablations"]
#       [-- options of run.sh, e.g. --local_data_opts ...]
# rows: main (EncRL, from scratch), ablations (what to match, where to start, controls:
# ABLATIONS.md), costs (from scratch for longer and at EncRL's cost, the published
# schedule), baselines, trials (another learning rate of each baseline, on dev alone:
# TRIALS.md), one_run (EncRL and from scratch once more, one after the other, for a
# comparison of their wall-clock: ONE_RUN.md).
set -euo pipefail

jobs=2           # Trainings side by side, one thread each: more throughput than threads.
seeds="1 2 3"    # Of the main rows and baselines, each with a reference of its own;
                 # the others have the first one.
rows="main ablations"

own=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
[ $# -eq 0 ] || shift
more=  # Of no words printf would make an empty one.
[ $# -eq 0 ] || more=$(printf '%q ' "$@")
set -- "${own[@]}"
help_message=$(sed -n '2,10p' "$0")
. "$(dirname "$(readlink -f ./encrl.sh)")/parse_options.sh"
. "$(dirname "$(readlink -f ./encrl.sh)")/side_by_side.sh"
. ./path.sh
first=${seeds%% *}

cached="--teacher_cache exp/teacher_cache"
encrl="--stage 5 --stop_stage 7 --direct true --seed ${first}"
from="--stage 8 --stop_stage 8 --seed ${first}"

of_seed() {  # options of what learns from the reference of a seed
    echo "--seed $1"
    [ "$1" = "${first}" ] || echo "--reference_seed $1"
}

cache_of_seed() {
    [ "$1" = "${first}" ] && echo "${cached}" || echo "${cached}_s$1"
}

rows_main() {
    local seed
    for seed in ${seeds}; do
        echo "--stage 5 --stop_stage 7 --direct true" $(of_seed "${seed}") \
            "$(cache_of_seed "${seed}")"
        echo "--stage 8 --stop_stage 8 --seed ${seed}"
    done
}

apart() {  # apart NAME: options of rows that are no part of the main table
    echo "--expdir exp/$1 --reference_exp exp/asr_reference"
}

rows_ablations() {
    # One size alone, three epochs of EncRL: what to match.
    local name alone
    alone="$(apart ablations) --sizes 6 --finetune each --finetune_alone '' --encrl_epochs 3"
    for name in "clip kl" kl clip mse mae "clip mae" "clip mse"; do
        echo "${encrl} ${alone} ${cached} --objectives '${name}'" \
            "--tag encrl_${name// /_} --variant '${name// /+}'"
    done
    # Where to start from. Random weights are not frozen.
    for name in first last; do
        echo "${encrl} ${alone} ${cached} --student_init ${name}" \
            "--tag encrl_init_${name} --variant '${name} layers'"
    done
    name="${alone} --student_init random --freeze ''"
    echo "${encrl} ${name} ${cached} --tag encrl_init_random --variant 'random start'"
    # Negative control: a teacher that knows nothing must not help ...
    echo "${encrl} ${name} --tag encrl_untrained --variant 'random start, untrained reference'" \
        "--reference_exp exp/asr_untrained --teacher_cache exp/teacher_cache_untrained"
    # ... against the fine-tuning alone.
    echo "${from} $(apart ablations) --sizes 6 --baselines scratch_finetune"
}

rows_costs() {
    # The published objectives, start and 2 : 1 of epochs (CLIP is normalised, see clip.py).
    echo "${encrl} ${cached} --tag encrl_paper --variant 'published objectives and start'" \
        "--student_init random --family last --freeze '' --finetune each --finetune_alone ''" \
        "--objectives 'clip mse' --encrl_epochs 6 --finetune_epochs 3"
    # One model instead of a family.
    echo "${encrl} ${cached} --tag encrl_one --variant 'one size alone'" \
        "--sizes 6 --finetune each --finetune_alone ''"
    # Two layers have nine epochs anyway.
    echo "${from} --sizes '6 4' --baselines scratch_longer"
    echo "${from} --baselines scratch_cost"
}

rows_baselines() {
    local seed name
    for seed in ${seeds}; do
        for name in layer_copy_first early_exit_copy layer_prune; do
            echo "--stage 8 --stop_stage 8" $(of_seed "${seed}") "--baselines ${name}"
        done
    done
    # The start that suits the baselines.
    echo "${encrl} ${cached} --student_init first --tag encrl_first --variant 'first layers'"
    echo "${from} --sizes '6 2' --baselines layer_copy_cost"
    for name in layer_copy layer_copy_spaced width magnitude ctc_kd early_exit; do
        echo "${from} ${cached} --baselines ${name}"
    done
    # At their learning rate gates do not get down to two layers' parameters.
    echo "${from} ${cached} --sizes '6 4' --baselines gates"
    echo "${from} ${cached} --sizes 2 --baselines gates --baseline_lr 0.004"
    echo "${from} --baselines 'layer_cut magnitude_once magnitude_once_no_conv'"
}

# With two learning rates, of which the configuration has one.
tried="layer_copy_spaced layer_prune width magnitude gates ctc_kd early_exit early_exit_copy"

rows_trials() {
    local name sizes at other
    for name in ${tried}; do
        # One training makes all sizes of these.
        [ "${name#early_exit}" = "${name}" ] && sizes=4 || sizes="6 4 2"
        at="${from} ${cached} --sizes '${sizes}' --test_sets dev --baselines ${name}"
        echo "${at}"
        case ${name} in
            width) other=0.002 ;;
            gates) other=0.004 ;;  # At 0.001 the thresholds do not rise far enough.
            *) other=0.001 ;;
        esac
        echo "${at} --baseline_lr ${other} $(apart trials)"
    done
}

rows_one_run() {
    # Nothing of it is shared with the other rows, so that all of it is timed alike.
    local seed of cached
    for seed in ${seeds}; do
        of="--seed ${seed} --expdir exp/one_run --reference_exp exp/asr_reference"
        [ "${seed}" = "${first}" ] || of+=_s${seed}
        cached="--teacher_cache exp/one_run/teacher_cache_s${seed}"
        echo "--stage 5 --stop_stage 7 --direct true ${of} ${cached}"
        echo "--stage 8 --stop_stage 8 ${of} --baselines scratch_longer"
        echo "--stage 5 --stop_stage 7 --direct true ${of} ${cached}" \
            "--tag encrl_one --variant 'one size alone'" \
            "--sizes 6 --finetune each --finetune_alone ''"
    done
}

tasks() {
    local group
    for group in ${rows}; do [ "${group}" = trials ] || "rows_${group}"; done
}

for group in ${rows}; do
    case ${group} in
        main | ablations | costs | baselines | trials | one_run) ;;
        *) echo "$0: --rows ${group}: of main, ablations, costs, baselines, trials," \
            "one_run" >&2
            exit 2 ;;
    esac
done

references() {
    local seed
    echo "--stage 4 --stop_stage 4"
    [[ " ${rows} " =~ " "(main|baselines|one_run)" " ]] || return 0
    for seed in ${seeds#"${first}"}; do
        echo "--stage 4 --stop_stage 4 --reference_seed ${seed}"
    done
}

eval "./run.sh --stage 1 --stop_stage 3 --nj ${jobs} ${more}"
references | side_by_side "${jobs}" "${more}"

for name in ablations trials one_run; do
    [[ " ${rows} " == *" ${name} "* ]] || continue
    mkdir -p "exp/${name}"
    # What stage 3 found out about the data.
    for folder in exp/asr_stats_*; do ln -sfn "../${folder#exp/}" "exp/${name}/"; done
done
python3 -m espnet_plugin.bin.train_models --kind untrained \
    --reference exp/asr_reference --output exp/asr_untrained
if [[ " ${rows} " == *" trials "* ]]; then
    # Half of these are sizes of the baselines' rows.
    rows_trials | side_by_side "${jobs}" "${more}"
fi
tasks | side_by_side "${jobs}" "${more}"

# Speed is measured at the end, when nothing else runs; plots go beside RESULTS.md.
report="--stage 9 --stop_stage 9 --remeasure_rtf true --plot_dir plots"

compare=
both() {  # both MODEL A B: compare two rows if the model of the second is there
    [ ! -d "exp/$1_s${first}_6l" ] || compare+=" --compare '$2 6' '$3 6'"
}

if compgen -G "exp/ablations/asr_*_s${first}_6l" > /dev/null; then
    # What to match, where to start from, and what a reference that knows something or
    # nothing adds to fine-tuning; also rows of an earlier call.
    for name in kl clip mse mae clip+mae clip+mse "random start" "first layers" "last layers"; do
        case ${name} in
            *" "*) model=ablations/asr_encrl_init_${name% *} ;;
            *) model=ablations/asr_encrl_${name//+/_} ;;
        esac
        both "${model}" "encrl clip+kl" "encrl ${name}"
        both "${model}" "encrl_direct clip+kl" "encrl_direct ${name}"
    done
    both ablations/asr_encrl_init_random "scratch fine-tuning alone" "encrl random start"
    both ablations/asr_encrl_untrained "scratch fine-tuning alone" \
        "encrl random start, untrained reference"
    eval "./run.sh ${report}/ablations --expdir exp/ablations --results ABLATIONS.md" \
        "--results_json ablations.json --report_opts \"${compare}\" ${more}"
fi
if compgen -G "exp/one_run/asr_*_s${first}_6l" > /dev/null; then
    compare=
    for name in encrl "scratch 9 epochs"; do
        both one_run/asr_encrl_one "${name}" "encrl one size alone"
    done
    eval "./run.sh ${report}/one_run --expdir exp/one_run --results ONE_RUN.md" \
        "--results_json one_run.json --report_opts \"${compare}\" ${more}"
fi
models=()
for name in ${tried}; do
    for folder in exp{,/trials}/asr_"${name}_s${first}"_4l; do
        [ ! -e "${folder}/meta.json" ] || models+=("${folder}")
    done
done
if [ -d exp/trials ] && [ "${#models[@]}" -gt 0 ]; then
    python3 -m espnet_plugin.bin.report "${models[@]}" --corpus an4 --test_set dev \
        --results_json exp/trials/trials.json --markdown TRIALS.md
fi
# Besides EncRL against every baseline and against from scratch, which are always made.
compare=
both asr_encrl_first "encrl first layers" encrl
both asr_encrl_paper encrl "encrl published objectives and start"
both asr_encrl_one scratch "encrl one size alone"
eval "./run.sh ${report} ${compare:+--report_opts \"${compare}\"} ${more}"
