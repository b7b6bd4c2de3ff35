#!/usr/bin/env bash
# Seeds, sizes and baselines as independent jobs, through the commands of cmd.sh. A recipe
# with --finetune together has one job for all sizes of a seed.
#   ./jobs.sh [--seeds "1 2 3"] [--sizes "6 4 2"] [--baselines "scratch width"]
#       [--max_jobs 4] [-- options of run.sh, e.g. --asr_recipe ../asr1]
# Run it again after a failure: what is finished is not done again. Stages 1 to 3 have to
# be there (or --asr_recipe); stage 9 gathers the results at the end.
set -euo pipefail

seeds=1              # One EncRL run each.
sizes="6 4 2"        # One fine-tuning, decoding and scoring each.
baselines=           # Names of conf/baselines; one job for each of them and seed.
max_jobs=4           # That run at the same time.
ngpu=0               # Of each job.
expdir=exp           # As of run.sh.
run=./run.sh         # The recipe.

own=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
[ $# -eq 0 ] || shift
more=
[ $# -eq 0 ] || more=$(printf ' %q' "$@")
set -- "${own[@]}"
help_message=$(sed -n '2,17p' "$0")
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "${here}/parse_options.sh"
. ./path.sh
. ./cmd.sh

[[ " ${more} " != *" --budget "* ]] \
    || { echo "$0: --budget: find the sizes with ./run.sh first, then name them with" \
        "--sizes" >&2; exit 2; }
[[ ${max_jobs} =~ ^[1-9][0-9]*$ ]] \
    || { echo "$0: --max_jobs ${max_jobs}: a whole number from 1" >&2; exit 2; }
more="${more} --ngpu ${ngpu} --expdir ${expdir}"
# Sizes with a width (4x72) are no layers of a larger student.
largest=$(tr ' ' '\n' <<< "${sizes}" | sed '/x/d' | sort -n | tail -n 1)
from_layers=${largest:+--encrl_layers ${largest}}

folder=${expdir}/jobs
mkdir -p "${folder}"
# Taken once and kept while this runs; the system gives it back after a kill.
exec 9> "${folder}/.lock"
flock -n 9 || { echo "$0: another one submits jobs in ${folder}" >&2; exit 2; }

wave() {  # wave NAME: run the lines of standard input as jobs, wait, name what failed
    local name=$1 count=0 n line failed=0
    rm -f "${folder}/${name}".*.sh "${folder}/${name}".*.ok
    while read -r line; do
        count=$((count + 1))
        # A job runs its stages itself: it is on a node of the cluster already.
        printf 'cd %q && cmd_backend=local %s %s%s && touch %q\n' "${PWD}" "${run}" \
            "${line}" "${more}" "${folder}/${name}.${count}.ok" > "${folder}/${name}.${count}.sh"
    done
    [ "${count}" -gt 0 ] || return 0
    echo "$(date '+%H:%M:%S') ${count} jobs: ${folder}/${name}.*.sh, their logs beside them" >&2
    case ${cuda_cmd%% *} in
        *.pl)  # Kaldi's: they number the jobs and wait
            # shellcheck disable=SC2086
            ${cuda_cmd} --max-jobs-run "${max_jobs}" "JOB=1:${count}" \
                "${folder}/${name}.JOB.log" bash "${folder}/${name}.JOB.sh" 9>&- || true
            ;;
        *)
            # shellcheck disable=SC2016
            seq "${count}" | xargs -P "${max_jobs}" -I{} bash -c \
                "${cuda_cmd} bash ${folder}/${name}.{}.sh > ${folder}/${name}.{}.log 2>&1" \
                9>&- || true
            ;;
    esac
    for n in $(seq "${count}"); do
        [ ! -e "${folder}/${name}.${n}.ok" ] || continue
        echo "failed: $(tail -n 1 "${folder}/${name}.${n}.log" 2>/dev/null)" \
            "(${folder}/${name}.${n}.log)" >&2
        failed=1
    done
    return "${failed}"
}

# Options that fit no job are refused here, and how the recipe fine-tunes is asked for.
asked="--stage 5 --stop_stage 7"
[ -z "${baselines}" ] || asked="--stage 5 --stop_stage 8 --baselines '${baselines}'"
finetune=$(eval "${run} ${asked} --sizes '${sizes}' --print_option finetune${more}")

# The reference is imported, or found, before many jobs want it at once.
eval "${run} --stage 4 --stop_stage 4${more}"
{
    for seed in ${seeds}; do
        echo "--stage 5 --stop_stage 5 --seed ${seed} ${from_layers} --sizes '${sizes}'"
        for name in ${baselines}; do
            echo "--stage 8 --stop_stage 8 --seed ${seed} --baselines ${name} --sizes '${sizes}'"
        done
    done
} | wave first
for seed in ${seeds}; do
    from="--stage 6 --stop_stage 7 --seed ${seed} ${from_layers}"
    if [ "${finetune}" = together ]; then
        echo "${from} --sizes '${sizes}'"
    else
        for size in ${sizes}; do echo "${from} --sizes ${size}"; done
    fi
done | wave second
# Speed was measured on busy machines: once more, here and now.
eval "${run} --stage 9 --stop_stage 9 --remeasure_rtf true${more}"
