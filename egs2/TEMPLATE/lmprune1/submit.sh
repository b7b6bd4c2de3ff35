# Sourced by the recipes' scripts, which have log and die, and say the rest of a log's
# name in log_suffix.

submit() {  # submit COMMANDS NAME command...: run it, where cmd.sh says
    local how=$1 file=${expdir}/log/$2${log_suffix}.log
    shift 2
    if [[ ${how%% *} != *.pl ]]; then
        # shellcheck disable=SC2086
        ${how} "$@"
        return
    fi
    mkdir -p "${expdir}/log"
    log "Submitted by ${how}, log: ${file}"
    # shellcheck disable=SC2086
    ${how} "${file}" "$@" || { tail -n 20 "${file}" >&2; die "see ${file}"; }
}
