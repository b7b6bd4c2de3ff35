# Sourced by encrl.sh and dualmode.sh: every option is of the type and in the range that it has to be.
# Uses their die and wanted, and one_of of check_options.sh. `count OPTION [LEAST [MOST]]` and the like name an option; a
# question mark before the name lets it be empty.

_given() {  # _given OPTION: sets option and value; fails where there is nothing to check
    option=${1#\?} value=
    value=${!option}
    [ -n "${value}" ] || [ "${option}" = "$1" ]
}

count() {  # a whole number
    local option value least=${2:-0} most=${3:-999999999}
    _given "$1" || return 0
    [[ ${value} =~ ^(0|[1-9][0-9]{0,9})$ && ${value} -ge ${least} && ${value} -le ${most} ]] \
        || die "--${option} ${value:-''}: a whole number from ${least}${3:+ to ${most}}"
}

number() {  # a number above, or from, LEAST
    local option value least=${2:-0} how=${3:-from}
    _given "$1" || return 0
    [[ ${value} =~ ^([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,2})?$ && ${#value} -le 20 ]] \
        && awk -v v="${value}" -v l="${least}" -v h="${how}" \
            'BEGIN { exit !(h == "above" ? v + 0 > l + 0 : v + 0 >= l + 0) }' \
        || die "--${option} ${value:-''}: a number ${how} ${least}, e.g. ${4:-0.1}"
}

name() {  # part of a file's name
    local option value
    _given "$1" || return 0
    [[ ${value} =~ ^[A-Za-z0-9_][A-Za-z0-9._+-]*$ && ${#value} -le 100 ]] \
        || die "--${option} ${value:-''}: names folders: letters, digits and ._+- only," \
            "up to 100 of them"
}

sets() {  # sets OPTION [one]: names of folders, perhaps in folders
    local option value one
    _given "$1" || return 0
    [ "${2:-}" != one ] || [[ ${value} =~ ^[^[:space:]]+$ ]] \
        || die "--${option} ${value:-''}: the name of one set"
    for one in ${value}; do
        [[ ${one} =~ ^[A-Za-z0-9_][A-Za-z0-9._+/-]*$ && ${#one} -le 200 \
            && ! "/${one}/" =~ /\.\.?/ ]] \
            || die "--${option} ${value}: ${one} is not a name of a set: letters, digits and" \
                "._+-/ only"
    done
}

words() {  # what stands in the tables: one line, no sign of theirs
    local option value
    _given "$1" || return 0
    [[ ! ${value} =~ [[:cntrl:]\|] && ${#value} -le 100 ]] \
        || die "--${option} ${value:0:40}...: one line of up to 100 characters without |"
}

folder() {  # a path
    local option value
    _given "$1" || return 0
    [[ -n ${value} && ! ${value} =~ [[:cntrl:],] && ${value} != -* && ${#value} -le 1000 ]] \
        || die "--${option} ${value:0:60}: a path without commas; it does not begin with -"
}

check_common() {  # the options that encrl.sh and dualmode.sh share
    local one
    count stage 1 10
    count stop_stage 1 10
    [ "${stage}" -le "${stop_stage}" ] || die "--stage ${stage} comes after --stop_stage" \
        "${stop_stage}, so nothing would run: give --stop_stage ${stage} or more"
    for one in nj decode_nj num_threads fs nbpe; do count "${one}" 1; done
    count ngpu
    count seed 0 4294967295  # what the random number generators take
    number min_wav_duration
    number max_wav_duration "${min_wav_duration}" above 30
    for one in ${speed_perturb_factors}; do
        [[ ${one} =~ ^[0-9]*\.?[0-9]+$ ]] && awk -v v="${one}" \
            'BEGIN { exit !(v >= 0.1 && v <= 10) }' \
            || die "--speed_perturb_factors ${speed_perturb_factors}: ${one} must be a" \
                "number from 0.1 to 10, e.g. \"0.9 1.0 1.1\""
    done
    sets train_set one
    sets valid_set one
    sets "?test_sets"
    words corpus
    for one in datadir dumpdir expdir results results_json "?plot_dir"; do
        folder "${one}"
    done
    one_of bad_utterances error drop
    [ -n "${python}" ] || die "--python '': the command that runs Python, e.g. python3"
}

check_values() {  # those of encrl.sh
    local one
    check_common
    count num_nodes 1
    count reference_seed 0 4294967295
    for one in encrl_epochs baseline_epochs alone_epochs; do count "?${one}" 1; done
    for one in train_jobs trials trial_epochs; do count "${one}" 1; done
    count "?finetune_epochs"
    number "?baseline_lr" 0 above 0.001
    number "?corpus_hours" 0 above 100
    name tag
    sets "?unlabelled_sets"
    words "?variant"
    for one in "?teacher_cache" baseline_dir reference_exp; do folder "${one}"; done
    for one in freeze alone_freeze; do
        [[ ${!one} =~ ^[A-Za-z0-9._\ ]*$ ]] || die "--${one} ${!one}: names of modules," \
            "e.g. encoder.embed"
    done
}

unfinished() {  # whether a training that is wanted still has to run
    local n
    if wanted 4 && [ -z "${reference}" ] && [ ! -e "${reference_exp}/done.json" ]; then
        return 0
    fi
    if wanted 5 && [ ! -e "${expdir}/encrl_${tag}_s${seed}/done.json" ]; then return 0; fi
    if wanted 6; then
        for n in ${sizes}; do
            [ -e "${expdir}/asr_${tag}_s${seed}_${n}l/done.json" ] || return 0
        done
    fi
    wanted 8
}

check_environment() {  # once, before the first stage; nothing where nothing is to be done
    local folders=() gpus=0
    if wanted 2; then folders+=("${dumpdir}" "${datadir}"); fi
    if unfinished; then
        folders+=("${expdir}")
        # A queue's jobs run elsewhere, where each training looks for itself.
        [ -n "${cuda_cmd}" ] || several_nodes || gpus=${ngpu}
    fi
    [ "${#folders[@]}" -gt 0 ] || return 0
    # shellcheck disable=SC2086
    ${python} -m espnet_plugin.bin.check_environment --ngpu "${gpus}" --folders "${folders[@]}"
}
