#!/usr/bin/env bash
# Every row of the tables, from nothing, as experiments.yaml lists them. What is finished is
# not trained again, so run it again after an interruption.
#   ./table.sh --list        what is finished, what is due and why, how long it will take
#   ./table.sh [--rows "main few"] [--seeds "1 2"] [--jobs 2] [-- options of run.sh]
set -euo pipefail
. ./path.sh
exec python3 -m espnet_plugin.bin.experiments experiments.yaml "$@"
