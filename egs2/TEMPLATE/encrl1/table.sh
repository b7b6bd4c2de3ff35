#!/usr/bin/env bash
# Train and score every row of the tables that experiments.yaml lists. Finished trainings are
# not repeated, so run it again after an interruption.
#   ./table.sh --list        what is finished, what is not and why, how long it will take
#   ./table.sh [--rows "main few"] [--seeds "1 2"] [--jobs 2] [-- options of run.sh]
set -euo pipefail
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    # In any folder, a recipe's or not.
    root=$(cd "$(dirname "$(readlink -f "$0")")/../../.." && pwd)
    export PATH=${VENV:-${root}/.venv}/bin:${PATH}
    export PYTHONPATH=${root}${PYTHONPATH:+:${PYTHONPATH}}
    exec python3 -m espnet_plugin.bin.experiments --help
fi
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }
. ./path.sh
exec python3 -m espnet_plugin.bin.experiments experiments.yaml "$@"
