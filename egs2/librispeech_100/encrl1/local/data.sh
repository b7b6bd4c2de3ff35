#!/usr/bin/env bash
# LibriSpeech's 100 hours to data/{train_clean_100,dev,dev_clean,...}. Parts that are not
# in the folder named by --librispeech (LIBRISPEECH in db.sh) are downloaded.
# More options as python -m espnet_plugin.bin.prepare_librispeech --help says.
set -euo pipefail
. ./path.sh
. ./db.sh
exec python3 -m espnet_plugin.bin.prepare_librispeech \
    --librispeech "${LIBRISPEECH}" \
    --sets train_clean_100=train-clean-100 dev=dev-clean+dev-other \
    dev_clean=dev-clean dev_other=dev-other \
    test_clean=test-clean test_other=test-other \
    "$@"
