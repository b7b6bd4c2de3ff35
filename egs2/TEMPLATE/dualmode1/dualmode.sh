#!/usr/bin/env bash
# One set of weights, two recognisers: dense full-context, and sparse streaming. A
# recipe's run.sh calls this with its options; see --help.
set -euo pipefail

family=dualmode
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../encrl1/recipe.sh"
