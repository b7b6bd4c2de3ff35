#!/usr/bin/env bash
# Seeds, sizes and baselines as independent jobs, through the commands of cmd.sh; see --help.
#   ./jobs.sh [--seeds "100 200 300"] [--sizes "6 4 2"] [--baselines "scratch width"]
#       [--max_jobs 4] [-- options of run.sh, e.g. --asr_recipe ../asr1]
set -euo pipefail

module=recipe_jobs
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/recipe.sh"
