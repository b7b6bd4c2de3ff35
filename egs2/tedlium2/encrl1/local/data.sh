#!/usr/bin/env bash
# TED-LIUM 2 to data/{train,dev,test}. Downloaded unless --tedlium (TEDLIUM2 in db.sh) names
# the unpacked corpus. More options as python -m espnet_plugin.bin.prepare_tedlium --help
# says.
set -euo pipefail
. ./path.sh
. ./db.sh
exec python3 -m espnet_plugin.bin.prepare_tedlium --release 2 --tedlium "${TEDLIUM2}" "$@"
