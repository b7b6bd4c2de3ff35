#!/usr/bin/env bash
# `make demo`: what run.sh does, but the models from scratch are trained beside the others,
# since two cores do more with one training each.
#   ./demo.sh [options of run.sh]
set -euo pipefail
[ -e run.sh ] || { echo "$0: start it in its folder: cd $(dirname "$0")" >&2; exit 2; }

# With --budget the sizes are known only after stage 5, so nothing is trained at the same time.
case " $* " in *" --budget "*) exec ./run.sh "$@" ;; esac

groups=()
begin() {  # In a process group of its own, which can be stopped as a whole.
    set -m
    "$@" < /dev/null &
    set +m
    groups+=($!)
}
end() {  # Stop what still runs; kill what has not stopped after 20 seconds.
    trap '' INT TERM HUP
    trap - EXIT
    local group
    for group in ${groups[@]+"${groups[@]}"}; do
        kill -TERM -- "-${group}" 2> /dev/null || continue
        for _ in {1..200}; do
            kill -0 -- "-${group}" 2> /dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-${group}" 2> /dev/null || true
    done
    exit "$1"
}
trap 'end $?' EXIT
trap 'end 130' INT
trap 'end 143' TERM
trap 'end 129' HUP

run() {  # `wait` hears signals at once, a command in the foreground would hold them up.
    begin ./run.sh "$@"
    wait $!
}

reference=$(./run.sh "$@" --print_option reference_exp 2> /dev/null) \
    || ./run.sh "$@" --print_option reference_exp  # Says what is wrong, and ends.
log=$(dirname "${reference}")/log/scratch.log
run --stage 1 --stop_stage 3 "$@"

beside() {
    # They need the reference's architecture, not its weights: they start once it has been
    # trained for an epoch, or is finished or imported.
    until compgen -G "${reference}/checkpoint*.pth" || [ -e "${reference}/meta.json" ]; do
        sleep 1
    done
    exec ./run.sh --stage 8 --stop_stage 8 "$@"
}
mkdir -p "$(dirname "${log}")"
begin beside "$@" > "${log}" 2>&1
scratch=$!
echo "The models from scratch are trained meanwhile: ${log}"

run --stage 4 --stop_stage 7 "$@"
echo "Waiting for the models from scratch: ${log}"
wait "${scratch}" || { tail -n 20 "${log}" >&2; exit 1; }
# Speed is measured again, now that nothing else runs.
run --stage 9 --stop_stage 9 --remeasure_rtf true "$@"
