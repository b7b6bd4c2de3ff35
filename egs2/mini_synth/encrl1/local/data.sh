#!/usr/bin/env bash
# Synthesise the corpus: data/{train,dev,test}.
# Options as python -m espnet_plugin.bin.synthesize --help says.
set -euo pipefail
. ./path.sh
exec python3 -m espnet_plugin.bin.synthesize "$@"
