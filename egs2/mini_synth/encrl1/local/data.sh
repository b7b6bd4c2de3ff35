#!/usr/bin/env bash
# Synthesise the corpus: data/{train,dev,test}. Options as local/synthesize.py --help says.
set -euo pipefail
. ./path.sh
exec python3 local/synthesize.py "$@"
