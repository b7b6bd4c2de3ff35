#!/usr/bin/env bash
# The eight utterances that ESPnet's package carries: data/{train,dev,test}.
# Options as python -m espnet_plugin.bin.prepare_mini_an4 --help says.
set -euo pipefail
. ./path.sh
exec python3 -m espnet_plugin.bin.prepare_mini_an4 "$@"
