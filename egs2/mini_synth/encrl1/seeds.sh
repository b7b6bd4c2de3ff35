#!/usr/bin/env bash
# The demo once for each seed, each with a reference of its own: does a seed break it?
# What is finished is not done again. It ends with the sentences of each seed and of all.
#   ./seeds.sh [--seeds "1 2 3 4 5"] [-- options of run.sh]
set -euo pipefail

seeds="1 2 3 4 5"  # Each takes as long as the demo.

own=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
[ $# -eq 0 ] || shift
more=("$@")
set -- "${own[@]}"
help_message=$(sed -n '2,4p' "$0")
. "$(dirname "$(readlink -f ./encrl.sh)")/parse_options.sh"
. ./path.sh

[[ ${seeds} =~ ^[0-9]+( +[0-9]+)*$ ]] || { echo "$0: --seeds ${seeds}: numbers" >&2; exit 2; }
for seed in ${seeds}; do
    ./demo.sh --seed "${seed}" --reference_seed "${seed}" \
        --teacher_cache "exp/teacher_cache_s${seed}" "${more[@]}"
done
for seed in ${seeds} all; do
    of=_s${seed}
    [ "${seed}" != all ] || of=
    echo "== seed ${seed}"
    python3 -m espnet_plugin.bin.report exp/asr_{encrl,scratch}"${of}"*[0-9]l exp/encrl_encrl"${of:-_s}"* \
        --corpus mini_synth --output_dir "exp/seeds/${seed}" | grep -E '^([0-9]+ layers?:|All )'
done
