#!/usr/bin/env bash
# `make demo`: what run.sh does, but the models from scratch are trained beside the others,
# since two cores do more with one training each.
#   ./demo.sh [options of run.sh]
set -euo pipefail

# The sizes that a budget means are known after stage 5 only: nothing is trained beside it.
case " $* " in *" --budget "*) exec ./run.sh "$@" ;; esac

reference=$(./run.sh "$@" --print_option reference_exp 2> /dev/null) \
    || ./run.sh "$@" --print_option reference_exp  # Says what is wrong, and ends.
log=$(dirname "${reference}")/log/scratch.log
./run.sh --stage 1 --stop_stage 3 "$@"

beside() {
    # Of the reference they need the architecture, not the weights: it is trained for an
    # epoch, or finished, maybe imported.
    until compgen -G "${reference}/checkpoint*.pth" || [ -e "${reference}/meta.json" ]; do
        sleep 1
    done
    ./run.sh --stage 8 --stop_stage 8 "$@"
}
mkdir -p "$(dirname "${log}")"
set -m  # A process group of its own, which can be stopped as a whole.
beside "$@" > "${log}" 2>&1 &
scratch=$!
set +m
trap 'kill -- "-${scratch}" 2> /dev/null || true' EXIT
echo "The models from scratch are trained meanwhile: ${log}"

./run.sh --stage 4 --stop_stage 7 "$@"
echo "Waiting for the models from scratch: ${log}"
wait "${scratch}" || { tail -n 20 "${log}" >&2; exit 1; }
trap - EXIT
# Speed is measured again, now that nothing else runs.
./run.sh --stage 9 --stop_stage 9 --remeasure_rtf true "$@"
