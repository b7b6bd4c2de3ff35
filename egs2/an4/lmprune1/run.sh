#!/usr/bin/env bash
# CMU AN4: a small language model of its transcripts, made smaller. See README.md.
set -euo pipefail

./lmprune.sh \
    --token_type char \
    "$@"
