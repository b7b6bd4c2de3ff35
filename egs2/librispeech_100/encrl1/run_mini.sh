#!/usr/bin/env bash
# The short run of RESULTS.md: six hours of LibriSpeech, small models, about 25 minutes of
# one core.
#   ./run_mini.sh --librispeech DIR     DIR/LibriSpeech/{train,dev,test}-mini
set -euo pipefail
[ -e path.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

[ "${1:-}" = --librispeech ] && [ $# -ge 2 ] || {
    echo "$0: wants --librispeech DIR first, then options of run.sh" >&2
    exit 2
}
sets="train_mini=train-mini dev_mini=dev-mini test_mini=test-mini"
exec ./run.sh \
    --local_data_opts "--librispeech $2 --sets ${sets}" \
    --nj 1 \
    --ngpu 0 \
    --train_set train_mini \
    --valid_set dev_mini \
    --test_sets test_mini \
    --corpus librispeech_mini \
    --speed_perturb_factors "" \
    --bad_utterances drop \
    --nbpe 150 \
    --reference_config conf/mini_librispeech_reference.yaml \
    --encrl_config conf/mini_librispeech_encrl.yaml \
    --finetune_config conf/mini_librispeech_finetune.yaml \
    --sizes 2 \
    --student_init spaced \
    "${@:3}"
