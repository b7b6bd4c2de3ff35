#!/usr/bin/env bash
# A language model for a recogniser, made smaller in several ways. A recipe's run.sh calls
# this with its options; see --help.
set -euo pipefail

family=lmprune
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../encrl1/recipe.sh"
