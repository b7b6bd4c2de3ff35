# Sourced by encrl.sh: what can be seen to be wrong before any work is refused here, not
# after the hours of the stages before. Reads its options; uses its
# template, die and wanted.

one_of() {  # one_of OPTION CHOICE...: the option's value has to be one of them
    local value=${!1} others="${*:2:$#-2}" choice
    for choice in "${@:2}"; do [ "${value}" != "${choice}" ] || return 0; done
    die "--$1 ${value}: must be ${others// /, } or ${!#}"
}

is_file() {  # is_file OPTION: its value has to be a file
    [ -f "${!1}" ] || die "--$1 ${!1} is missing: name a file that is there"
}

says() {  # says OPTION: stage 5 is told so, by its arguments or its configuration
    [[ " ${encrl_args}" == *" --$1 "* || " ${encrl_args}" == *" --$1="* ]] \
        || grep -qs "^$1:" "${encrl_config}"
}

check_options() {
    check_values
    one_of feats_type raw fbank
    one_of token_type char bpe
    one_of check_audio full header none off
    if [ -n "${nlsyms}" ] && wanted 2; then is_file nlsyms; fi
    if { wanted 2 || wanted 3 || wanted 4; } && [ -z "${reference}${asr_recipe}" ]; then
        is_file reference_config
    fi
    check_sizes
    if wanted 5; then check_encrl; fi
    if wanted 5 || wanted 6; then one_of family last first spaced nested; fi
    check_finetune
    if wanted 7 || wanted 8 || wanted 9; then one_of decoding best_path prefix; fi
    if wanted 8; then check_baselines; fi
    if wanted 10; then check_export; fi
}

check_sizes() {
    if [ -n "${budget}" ]; then
        check_budget
        return
    fi
    local size='[1-9][0-9]*(x[1-9][0-9]*)?'
    [[ ${sizes} =~ ^${size}(\ +${size})*$ ]] || die "--sizes ${sizes}: numbers of layers" \
        "from 1, or layers x width, e.g. \"6 4 2\" or \"6 4x72\""
    local twice
    twice=$(xargs -n 1 <<< "${sizes}" | sort | uniq -d | xargs)
    [ -z "${twice}" ] || die "--sizes ${sizes}: ${twice} is named twice"
    [[ ${alone} =~ ^(${size}\ *)*$ ]] || die "--alone ${alone}: some of --sizes ${sizes}"
    check_shapes
    # Of a recipe's choice, what this call makes.
    local largest one here=() together=()
    for one in ${sizes}; do
        # One with a width is trained by itself.
        [[ " ${alone} " == *" ${one} "* || ${one} == *x* ]] \
            && here+=("${one}") || together+=("${one}")
    done
    for one in ${alone}; do
        [[ " ${sizes} " == *" ${one} "* ]] \
            || log "--alone ${one}: not one of --sizes ${sizes}, so nothing is made of it"
    done
    alone=${here[*]}
    # Without one that is trained with others the largest counts all the same: nothing
    # is made of that many layers then.
    # shellcheck disable=SC2086
    largest=$(printf '%s\n' "${together[@]:-${sizes// /$'\n'}}" | sed 's/x.*//' | sort -n \
        | tail -n 1)
    encrl_layers=${encrl_layers:-${largest}}
    [[ ${encrl_layers} =~ ^[1-9][0-9]*$ && ${encrl_layers} -ge ${largest} ]] \
        || die "--encrl_layers ${encrl_layers}: must be a number of layers, ${largest} or" \
            "more, because those of --sizes ${sizes}" "are taken of them"
}

chosen_sizes() {  # those that stage 5 chose for --budget
    sizes=$(${python} -m espnet_plugin.bin.shapes --chosen "${shapes_dir}/shapes.json" \
        --budget "${budget}" --trials "${trials}" --trial_epochs "${trial_epochs}") || exit 2
    local one
    alone= encrl_layers=
    for one in ${sizes}; do
        if [[ ${one} == *x* ]]; then
            alone+=${alone:+ }${one}
        elif [ "${one}" -gt "${encrl_layers:-0}" ]; then
            encrl_layers=${one}
        fi
    done
}

check_budget() {
    local limit='([0-9]+\.?[0-9]*|\.[0-9]+)[kMG]?(MAC/s)?'
    [[ ${budget} =~ ^${limit}(\ +${limit})*$ ]] || die "--budget ${budget}: parameters" \
        "(1.5M, 900k) or multiply-adds per second of audio (70MMAC/s), e.g. \"1.5M 0.6M\""
    ! several_nodes || die "--budget ${budget}: trials run on one node: find the sizes on" \
        "one, and name them with --sizes"
    shapes_dir=${expdir}/shapes_${tag}_s${seed}
    # Of a recipe's choice for its own sizes.
    alone= finetune_alone= encrl_layers=
    if wanted 5 && ! ${dry_run}; then
        # Until stage 5 has found out: any reference has so many.
        sizes=1 encrl_layers=1
    elif [ "${stop_stage}" -ge 5 ]; then
        chosen_sizes
    fi
}

check_shapes() {  # widths: they fit the heads, and the reference's is left out
    [[ ${sizes} == *x* ]] || return 0
    local config=${reference_config}
    if [ -e "${reference_exp}/meta.json" ]; then
        config=${reference_exp}/config.yaml
    elif [ -n "${reference}" ]; then
        config=${reference}/config.yaml
    elif [ -n "${asr_recipe}" ]; then
        return 0  # which is not known yet; stage 5 looks itself
    fi
    [ -e "${config}" ] || return 0
    # shellcheck disable=SC2086
    sizes=$(${python} -m espnet_plugin.bin.shapes --check ${sizes} --reference_config \
        "${config}" --encrl_config "${encrl_config}") || exit 2
}

check_encrl() {
    is_file encrl_config
    one_of shape_init auto random first last spaced
    one_of student_init random first last spaced
    one_of alone_init random first last spaced
    if [ -n "${alone_freeze}" ] && [ "${alone_init}" = random ]; then
        die "--alone_freeze ${alone_freeze} would keep random weights, since" \
            "--alone_init random copies none: choose first, last or spaced"
    fi
    check_objectives
    if [ -n "${freeze}" ] && [ "${student_init}" = random ] && ! says student_layers; then
        die "--freeze ${freeze} would keep random weights, since --student_init random" \
            "copies none: choose --student_init spaced, first or last, or --freeze ''"
    fi
    # The reference that there is, or will be.
    if [ -e "${reference_exp}/meta.json" ]; then
        check_layers "${reference_exp}/config.yaml"
    elif [ -n "${reference}" ]; then
        check_layers "${reference}/config.yaml"
    elif [ -z "${asr_recipe}" ]; then
        check_layers "${reference_config}"
    fi
}

check_objectives() {
    # Where they are registered; the plugin's Python refuses the others as well.
    local there name
    there=$(sed -n 's/^@objective("\([^"]*\)".*/\1/p' \
        "${template}"/../../../espnet_plugin/distill/objectives/*.py | xargs)
    for name in ${objectives}; do
        [[ " ${there} " == *" ${name} "* ]] \
            || die "--objectives ${objectives}: ${name} must be one of ${there}"
    done
}

check_layers() {  # check_layers CONFIG: the EncRL student takes the reference's layers
    wanted 5 || return 0
    # Those have rules of their own, which stage 5 knows.
    if says student_encoder || says student_layers; then return 0; fi
    local there
    # As ESPnet writes it; where it is written otherwise, stage 5 counts.
    there=$(sed -n \
        '/^encoder_conf:/,/^[^ #]/s/^ \+num_blocks: *\([0-9]\+\) *\(#.*\)\?$/\1/p' \
        "$1" 2> /dev/null) || return 0
    [ -z "${there}" ] || [ "${encrl_layers}" -le "${there}" ] \
        || die "--sizes ${sizes} (--encrl_layers ${encrl_layers}): the reference has" \
            "${there} layers ($1), choose no more"
}

check_finetune() {
    one_of finetune each together
    [[ ${finetune} == each || ${family} == nested || ${family} == first ]] \
        || die "--finetune together: smaller models are the first layers, so --family" \
            "nested or first, not ${family}"
    [ -z "${finetune_alone}" ] || [ "${finetune}" = together ] \
        || [ "${finetune_epochs}" = 0 ] \
        || die "--finetune_alone ${finetune_alone}: goes with --finetune together, or" \
            "with --finetune_epochs 0"
    [[ ${finetune_alone} =~ ^([0-9x]+:[0-9]+ *)*$ ]] \
        || die "--finetune_alone ${finetune_alone}: SIZE:EPOCHS, e.g. \"4:1 2:2\""
    wanted 6 || return 0
    [ "${finetune_epochs}" = 0 ] && [ -z "${finetune_alone}" ] || is_file finetune_config
    local one
    for one in ${finetune_alone}; do
        [[ " ${sizes} " == *" ${one%:*} "* && ${one#*:} != 0 ]] || die \
            "--finetune_alone ${one}: must be one of --sizes ${sizes}, and 1 epoch or more"
    done
}

check_baselines() {
    local there name
    there=$(cd "${baseline_dir}" 2> /dev/null && echo *.yaml | sed 's/\.yaml//g') || there=
    [ -n "${baselines}" ] \
        || die "--baselines '': name some of ${there}, or leave stage 8 out (--stop_stage 7)"
    for name in ${baselines}; do
        [ -f "${baseline_dir}/${name}.yaml" ] || die "--baselines ${name}:" \
            "${baseline_dir}/${name}.yaml is missing; there are ${there:-none}"
    done
    [ -z "${baseline_training}" ] || is_file baseline_training
}

check_export() {
    # The lines of TARGETS, where they are declared.
    local one there
    there=$(sed -n 's/^    "\([^"]*\)": ".*/\1/p' \
        "${template}"/../../../espnet_plugin/export/target_names.py | xargs)
    [ -n "${export_targets}" ] || die "--export_targets '': name some of ${there}"
    for one in ${export_targets}; do
        [[ " ${there} " == *" ${one} "* ]] \
            || die "--export_targets ${one}: must be one of ${there}"
    done
    for one in ${export_models}; do
        [ -f "${one}/config.yaml" ] \
            || die "--export_models ${one}: it has no config.yaml; name model folders"
    done
}
