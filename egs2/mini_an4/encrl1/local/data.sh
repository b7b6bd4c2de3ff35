#!/usr/bin/env bash
# The eight utterances that ESPnet's package carries: data/{train,dev,test}.
# Options as local/prepare_mini_an4.py --help says.
set -euo pipefail
. ./path.sh
exec python3 local/prepare_mini_an4.py "$@"
