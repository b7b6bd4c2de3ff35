#!/usr/bin/env bash
# CMU AN4: a 12-layer conformer, and models of 6, 4 and 2 layers from it. See README.md.
set -euo pipefail

./encrl.sh \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --token_type char \
    "$@"
