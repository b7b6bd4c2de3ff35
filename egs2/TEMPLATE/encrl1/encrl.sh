#!/usr/bin/env bash
# From one large ESPnet speech recogniser to several small ones. A recipe's run.sh calls
# this with its options; see --help.
set -euo pipefail

family=encrl
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/recipe.sh"
