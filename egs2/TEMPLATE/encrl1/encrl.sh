#!/usr/bin/env bash
# From one large ESPnet speech recogniser to several small ones. A recipe's run.sh calls
# this with its options; see --help.
set -euo pipefail

{  # bash reads a group whole, so that editing this file disturbs no run of it.

# General
stage=1          # First stage to run.
stop_stage=9     # Last stage to run.
nj=2             # Worker processes of stage 2.
ngpu=0           # GPUs for training and decoding, on each node.
num_nodes=1      # Nodes of a training (stages 4 to 8), by ESPnet's launcher and cmd.sh.
hosts=           # Or named hosts, by ssh: "host1,host2", or "host1:0:1,host2:0" with GPUs.
decode_nj=1      # Processes of decoding, each with its part of every set.
num_threads=1    # Threads of each process.
python=python3   # May be several words.
datadir=data     # Kaldi data folders.
dumpdir=dump     # Formatted audio or features.
expdir=exp       # Models.
corpus=          # Its name in the tables; the recipe's folder by default.
dry_run=false    # Only say which stages would run, and what they would take.
print_option=    # Only print the value of this option, as the recipe sets it.
corpus_hours=    # Hours of training audio, for dry_run; known once stage 2 is finished.
estimate_opts=   # More options: python -m espnet_plugin.bin.estimate --help

# Data
train_set=train
valid_set=dev
unlabelled_sets=        # Audio without transcripts that stage 5 trains on as well.
test_sets=test          # Several in quotes; the tables show the first.
local_data_opts=        # For local/data.sh, e.g. "--an4 /corpora/an4".
feats_type=raw          # raw: features on the fly by ESPnet's front end. fbank: stage 2.
fs=16000                # Hz.
speed_perturb_factors=  # e.g. "0.9 1.0 1.1"; training data only.
min_wav_duration=0.1    # Seconds; training data only.
max_wav_duration=30     # Seconds; training data only.
bad_utterances=error    # error, or drop to leave them out.
check_audio=full        # What stage 2 checks first: full, header (decodes nothing), none
                        # (tables alone), or off.
token_type=char         # char or bpe.
nbpe=100                # Size of the BPE vocabulary.
nlsyms=                 # File of symbols in transcripts that are not speech, such as
                        # <noise>, one per line: tokens of their own.

# Reference model (stages 3 and 4)
reference=                                  # ESPnet experiment folder, packed zip or
                                            # name in the model zoo to import; empty:
                                            # train one.
reference_model_file=                       # Its checkpoint, if not the best.
reference_config=conf/train_reference.yaml  # How to train one.
reference_exp=                              # Its folder; ${expdir}/asr_reference, with
reference_seed=1                            # another seed asr_reference_s<seed>.

# Beside a finished recipe of ESPnet (its asr.sh run to stage 11), which is only read
asr_recipe=         # Its folder. Data, statistics and reference are found in it, stages 1
                    # to 3 are not needed; what was found is printed. Instead of that:
recipe_exp=         # an experiment there (default: the best by CER on dev),
recipe_train_set=   # names in its dump,
recipe_valid_set=
recipe_test_sets=   # (default: all others)
recipe_dump=        # the folder of the sets, e.g. dump/raw,
recipe_stats=       # the folder of stage 10, for the lengths of utterances,
recipe_token_list=  # the list that the model was trained with.

# EncRL (stage 5), fine-tuning (stage 6)
tag=encrl                             # Names the folders of this variant.
variant=                              # Its name in the tables; the tag if not encrl.
sizes="6 4 2"                         # Encoder layers of the small models; layers x
                                      # width (4x72) for another width, see
                                      # docs/shapes.md. Such a model is trained by
                                      # itself.
budget=                               # Instead of sizes: one model for each limit of
                                      # parameters (1.5M) or computing (70MMAC/s);
                                      # stage 5 tries shapes that use 90 to 100 % of it,
trials=3                              # so many for each, spread over depths,
trial_epochs=1                        # for so many epochs, and takes the best on dev.
shape_init=auto                       # Where models with a width start: random, or
                                      # these layers of the reference, cut to the width;
                                      # auto: first where they can be cut, else random.
encrl_layers=                         # Those of the EncRL student; the largest size.
student_init=random                   # random, first, last or spaced reference layers.
objectives=                           # e.g. "clip mae"; those of encrl_config if empty.
family=last                           # Layers a smaller model takes of the student:
                                      # last, first or spaced. nested: the first, and
                                      # stage 5 trains all sizes in the same step.
freeze=                               # What stages 5 and 6 leave unchanged, e.g.
                                      # encoder.embed (the convolutional front end).
alone=                                # Sizes that stage 5 trains by themselves instead
                                      # of with the others, e.g. "2",
alone_init=first                      # from these layers of the reference,
alone_freeze=                         # with this left unchanged,
alone_epochs=                         # and this number of epochs (if empty, as the others).
train_jobs=1                          # Trainings of stage 5 side by side.
finetune=each                         # together: stage 6 trains all sizes of a nested
                                      # family in the same step as well, and then
finetune_alone=                       # these by themselves, SIZE:EPOCHS, e.g. "2:2".
                                      # With --finetune_epochs 0 only these are trained
                                      # in stage 6, and alone_freeze says what of them is
                                      # not.
encrl_config=conf/train_encrl.yaml
finetune_config=conf/finetune_ctc.yaml
teacher_cache=                        # Folder for the reference's outputs, computed once
                                      # and read in every epoch; empty: computed anew.
encrl_args=                           # More options for stage 5.
finetune_args=                        # More options for stage 6.
encrl_epochs=                         # Instead of the configuration's.
finetune_epochs=                      # 0: the models are what stage 5 made of them.
direct=false                          # Also decode the models before fine-tuning.
seed=1

# Baselines (stage 8)
baselines=scratch             # Names of files below, in quotes if several.
baseline_dir=conf/baselines   # One configuration each.
baseline_training=            # ESPnet configuration instead of theirs,
baseline_epochs=              # epochs,
baseline_lr=                  # and peak learning rate, which the tables then name.

# Decoding (stage 7), report (stage 9)
decoding=best_path    # best_path, or prefix: ESPnet's own search, beam 1 (slow).
remeasure_rtf=false   # Measure speed again in stage 9, on a quiet machine.
results=RESULTS.md          # Where stage 9 puts its tables,
results_json=results.json   # and the figures behind them.
plot_dir=                   # Where it draws; in expdir by default.
report_opts=                # More options, quoted for the shell, e.g.
                            # "--compare 'encrl kl 6' 'encrl mse 6'".

# Export to a device (stage 10); needs pip install '.[device]'
export_targets=onnx   # onnx, sherpa-onnx, or both in quotes.
export_models=        # Folders of other models to export as well.
export_opts=          # More options, quoted for the shell, e.g. "--int8":
                      # python -m espnet_plugin.bin.export --help

run_args=$(printf '%q ' "$@")
help_message="Usage: $0 [--option value]...

Stages: 1 data preparation, 2 features and tokens, 3 statistics, 4 reference model,
5 EncRL pre-training, 6 CTC fine-tuning, 7 decoding and scoring, 8 baselines (from
scratch, pruned...), 9 report, 10 export to a device (ONNX; see docs/devices.md).
  $0 --stage 5 --stop_stage 7     the main job, with the data there
  $0 --dry_run true               estimates hours and disk space

$(sed -n '/^# General/,/^run_args/p' "${BASH_SOURCE[0]}" | grep -v '^run_args')"

template=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "${template}/parse_options.sh"
. "${template}/check_options.sh"
. "${template}/check_values.sh"
. "${template}/submit.sh"
. ./path.sh
. ./cmd.sh

log() { echo "$(date '+%H:%M:%S') $*" >&2; }
die() { log "ERROR $*"; exit 2; }
wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }
log_suffix=_${tag}_s${seed}
several_nodes() { [ "${num_nodes}" != 1 ] || [ -n "${hosts}" ]; }
train() {  # train NAME command...: a training, on several nodes if wanted
    if ! several_nodes; then
        submit "${cuda_cmd}" "$@"
        return
    fi
    local file=${expdir}/log/$1${log_suffix}.log where=(--num_nodes "${num_nodes}")
    [ -z "${hosts}" ] || where=(--host "${hosts}")
    shift
    log "Training on ${hosts:-${num_nodes} nodes}, log: ${file}"
    # What it says of GPUs the launcher says as well.
    ${python} -m espnet2.bin.launch --cmd "${cuda_cmd%% --gpu*}" --log "${file}" \
        --ngpu "${ngpu}" "${where[@]}" --init_file_prefix "${expdir}/.dist_init_" \
        --envfile path.sh -- "$@" || { tail -n 20 "${file}" >&2; die "see ${file}"; }
}
# bash runs this when the command that Ctrl-C stopped as well has ended.
trap 'log "Interrupted. The same command resumes from here."; exit 130' INT
log "$0 ${run_args}"
# Where a command leaves the traceback of what nobody foresaw.
export ESPNET_PLUGIN_LOGS=${expdir}/log

corpus=${corpus:-$(basename "$(dirname "$(readlink -f "${asr_recipe:-.}")")")}
if [ -z "${reference_exp}" ]; then
    reference_exp=${expdir}/asr_reference
    [ "${reference_seed}" = 1 ] || reference_exp+=_s${reference_seed}
fi
[ -n "${variant}" ] || { [ "${tag}" = encrl ] || variant=${tag}; }
check_options

if [ -n "${print_option}" ]; then
    [[ ${print_option} =~ ^[a-z_]+$ && -n ${!print_option+set} ]] \
        || die "--print_option ${print_option}: is not an option (see $0 --help)"
    echo "${!print_option}"
    exit 0
fi

if ${dry_run}; then
    # shellcheck disable=SC2086
    exec ${python} -m espnet_plugin.bin.estimate --stage "${stage}" --stop_stage "${stop_stage}" \
        --ngpu "${ngpu}" --nj "${nj}" ${corpus_hours:+--corpus_hours ${corpus_hours}} \
        --lengths "${dumpdir}/raw/${train_set}${speed_perturb_factors:+_sp}/utt2num_samples" \
        --segments "${datadir}/${train_set}/segments" --fs "${fs}" \
        --speed_perturb_factors ${speed_perturb_factors} \
        --token_type "${token_type}" --nbpe "${nbpe}" --sizes ${sizes} \
        --reference "${reference}" --reference_config "${reference_config}" \
        --encrl_config "${encrl_config}" --encrl_epochs "${encrl_epochs}" \
        --finetune_config "${finetune_config}" --finetune_epochs "${finetune_epochs}" \
        --freeze ${freeze} --alone ${alone} --alone_epochs "${alone_epochs}" \
        --alone_freeze ${alone_freeze} --finetune "${finetune}" --finetune_alone ${finetune_alone} \
        --baselines ${baselines} --baseline_dir "${baseline_dir}" \
        --baseline_training "${baseline_training}" --baseline_epochs "${baseline_epochs}" \
        --teacher_cache "${teacher_cache}" ${estimate_opts}
fi

if wanted 1 && [ ! -e local/data.sh ]; then
    die "local/data.sh is missing: write it (it makes Kaldi folders in ${datadir}), or put" \
        "these there yourself and begin with --stage 2"
fi
check_environment

divide_sizes() {  # what stage 5 trains together, and what by itself
    local n
    together=() exits=() cut=${family}
    for n in ${sizes}; do
        [[ " ${alone} " == *" ${n} "* ]] || together+=("${n}")
    done
    [ "${family}" = nested ] || return 0
    cut=first
    for n in "${together[@]}"; do [ "${n}" -ge "${encrl_layers}" ] || exits+=("${n}"); done
}
divide_sizes

dump=${dumpdir}/${feats_type}
dump_train=${train_set}
[ -z "${speed_perturb_factors}" ] || dump_train=${train_set}_sp
encrl_set=${dump_train}  # what stage 5 trains on
for name in ${unlabelled_sets}; do encrl_set+=+${name}; done
token_name=${token_type}
[ "${token_type}" = char ] || token_name=bpe${nbpe}
token_dir=${datadir}/token_list/${token_name}
token_list=${token_dir}/tokens.txt
symbols=none
[ -z "${nlsyms}" ] || symbols=${token_dir}/nlsyms.txt  # stage 2 writes it
bpemodel=none
[ "${token_type}" = char ] || bpemodel=${token_dir}/bpe.model
stats=${expdir}/asr_stats_${feats_type}_${token_name}
encrl_exp=${expdir}/encrl_${tag}_s${seed}
student_exp=${expdir}/asr_${tag}_s${seed}

if [ "${feats_type}" = raw ]; then
    scp=wav.scp type=sound lengths=utt2num_samples
else
    scp=feats.scp type=npy lengths=feats_shape
fi
if [ -n "${asr_recipe}" ]; then
    [ -z "${reference}" ] || die "--asr_recipe brings its reference; choose with --recipe_exp"
    # Here, not where train_cmd says: it takes seconds, and its output is to be seen.
    # shellcheck disable=SC2086
    ${python} -m espnet_plugin.bin.asr_recipe \
        --asr_recipe "${asr_recipe}" --output_dir "${expdir}/asr_recipe" \
        ${recipe_exp:+--recipe_exp "${recipe_exp}"} \
        ${reference_model_file:+--reference_model_file "${reference_model_file}"} \
        ${recipe_train_set:+--recipe_train_set "${recipe_train_set}"} \
        ${recipe_valid_set:+--recipe_valid_set "${recipe_valid_set}"} \
        ${recipe_test_sets:+--recipe_test_sets ${recipe_test_sets}} \
        ${recipe_dump:+--recipe_dump "${recipe_dump}"} \
        ${recipe_stats:+--recipe_stats "${recipe_stats}"} \
        ${recipe_token_list:+--recipe_token_list "${recipe_token_list}"}
    # Sets reference, reference_model_file, dump, stats, the names of the sets, scp, type.
    . "${expdir}/asr_recipe/found.sh"
    if [ "${stage}" -le 3 ]; then
        log "Stages 1 to 3 are those of ${asr_recipe}"
        stage=4
    fi
fi

# An imported reference brings its own tokens, from stage 2 on.
import_tokens=()
if [ -n "${reference}" ]; then
    token_list=${reference_exp}/tokens.txt
fi

data_opts=(
    --train_data_path_and_name_and_type "${dump}/${dump_train}/${scp},speech,${type}"
    --train_data_path_and_name_and_type "${dump}/${dump_train}/text,text,text"
    --valid_data_path_and_name_and_type "${dump}/${valid_set}/${scp},speech,${type}"
    --valid_data_path_and_name_and_type "${dump}/${valid_set}/text,text,text"
    --ngpu "${ngpu}" --num_att_plot 0
)
# Otherwise ESPnet takes several GPUs by threads of one process.
[ "${ngpu}" -le 1 ] || data_opts+=(--multiprocessing_distributed true)
shape_opts=(
    --train_shape_file "${stats}/train/speech_shape"
    --valid_shape_file "${stats}/valid/speech_shape"
)
token_opts=(
    --use_preprocessor true --token_type "${token_type}" --token_list "${token_list}"
    --bpemodel "${bpemodel}" --non_linguistic_symbols "${symbols}"
    --cleaner none --g2p none
)
feature_opts=()
set_feature_opts() {  # once stage 2 has written features, their width is known
    [ "${feats_type}" = fbank ] || return 0
    # ESPnet leaves its front end out where the input's width is given.
    feature_opts=(--input_size "$(head -n 1 "${dump}/${dump_train}/feats_shape" | cut -d, -f2)")
}

sha256() { sha256sum | cut -d ' ' -f 1; }
need() {  # need FILE STAGE: refuse to start a stage whose input is not there
    [ -e "$1" ] || die "$1 is missing: run stage $2 first (--stage $2)"
}
evaluate() {  # evaluate MODEL_DIR...: decode and score what is not yet
    # shellcheck disable=SC2086
    submit "${decode_cmd}" evaluate ${python} -m espnet_plugin.bin.evaluate "$@" \
        --dump_dir "${dump}" --sets "${valid_set}" ${test_sets} \
        --decoding "${decoding}" --num_threads "${num_threads}" --ngpu "${ngpu}" \
        --nj "${decode_nj}"
}
check_data() {  # every bad line of all sets, before any work; see docs/data.md
    [ "${check_audio}" != off ] || return 0
    local kinds=(pipe archive features-alone) folders=() more=() zero=warnings name
    # With drop, stage 2 leaves out what it can, and says what it cannot.
    [ "${bad_utterances}" = error ] || zero=always
    # An imported reference has its own tokens, and spells as it was trained to.
    local valid=()
    [ -n "${reference}" ] || { kinds+=(symbol); valid=(--valid "${datadir}/${valid_set}"); }
    for name in "${train_set}" "${valid_set}" ${test_sets}; do
        [[ " ${folders[*]} " == *" ${datadir}/${name} "* ]] || folders+=("${datadir}/${name}")
    done
    for name in ${unlabelled_sets}; do more+=("${datadir}/${name}"); done
    # shellcheck disable=SC2086
    submit "${train_cmd}" check_data ${python} -m espnet_plugin.bin.check_data \
        "${folders[@]}" "${valid[@]}" ${more:+--unlabelled "${more[@]}"} --error "${kinds[@]}" \
        --fs "${fs}" --audio "${check_audio}" ${nlsyms:+--nlsyms "${nlsyms}"} \
        --min_wav_duration "${min_wav_duration}" --max_wav_duration "${max_wav_duration}" \
        --once --exit_zero "${zero}" --output_dir "${datadir}/check_data" --nj "${nj}"
}
of_sizes() { for n in ${sizes}; do echo "$1_${n}l"; done; }
# What is frozen of a size trained by itself; of one with a width nothing, as it is new.
frozen_alone() { [[ $1 == *x* ]] || echo "${alone_freeze}"; }

if wanted 1; then
    log "Stage 1: data preparation"
    # shellcheck disable=SC2086
    local/data.sh --output_dir "${datadir}" ${local_data_opts}
fi

# Every stage that uses the reference makes sure that it is the one that was named.
if [ -n "${reference}" ] && { wanted 2 || { [ "${stage}" -le 8 ] && [ "${stop_stage}" -ge 4 ]; }; }
then
    log "Importing the reference model ${reference}"
    # shellcheck disable=SC2086
    submit "${train_cmd}" import ${python} -m espnet_plugin.bin.import_reference \
        --reference "${reference}" --output_dir "${reference_exp}" \
        ${reference_model_file:+--reference_model_file "${reference_model_file}"}
    check_layers "${reference_exp}/config.yaml"
fi
if [ -n "${reference}" ] && [ -e "${reference_exp}/config.yaml" ]; then
    reference_config=${reference_exp}/config.yaml
    token_type=$(sed -n 's/^token_type: *//p' "${reference_config}")
    bpemodel=none
    [ ! -e "${reference_exp}/bpe.model" ] || bpemodel=${reference_exp}/bpe.model
    import_tokens=(--token_list "${token_list}")
    [ "${bpemodel}" = none ] || import_tokens+=(--bpemodel "${bpemodel}")
fi

if wanted 2; then
    log "Stage 2: features and tokens"
    need "${datadir}/${train_set}" 1
    check_data
    # shellcheck disable=SC2086
    submit "${train_cmd}" prepare ${python} -m espnet_plugin.bin.prepare \
        --data_dir "${datadir}" --dump_dir "${dump}" \
        --train_set "${train_set}" --dump_train_set "${dump_train}" \
        --other_sets "${valid_set}" ${test_sets} \
        --feats_type "${feats_type}" --fs "${fs}" \
        --speed_perturb_factors ${speed_perturb_factors} \
        --min_wav_duration "${min_wav_duration}" \
        --max_wav_duration "${max_wav_duration}" \
        --bad_utterances "${bad_utterances}" --asr_config "${reference_config}" \
        --token_type "${token_type}" --nbpe "${nbpe}" --token_dir "${token_dir}" \
        "${import_tokens[@]}" ${nlsyms:+--nlsyms "${nlsyms}"} --nj "${nj}" \
        ${unlabelled_sets:+--unlabelled_sets ${unlabelled_sets} --joined_set "${encrl_set}"}
fi

# Stage 2 noted which token lists the transcripts were checked against: with another one,
# what it lacks would be learnt as <unk> without a word. Other dumps have no such note.
check_tokens() {
    local noted=${dump}/${dump_train}/tokens.sha256 tokens=${token_list} way_out=
    # Of stages 3 and 4 the recipe's own list may be another than an imported reference's.
    if [ -e "${reference_exp}/tokens.txt" ] && ! wanted 3 && ! wanted 4; then
        tokens=${reference_exp}/tokens.txt
    fi
    if [ ! -e "${noted}" ] || [ ! -e "${tokens}" ]; then return 0; fi
    if [ "${tokens}" = "${reference_exp}/tokens.txt" ]; then
        way_out=" with the --reference of ${reference_exp}"
    fi
    grep -qxF "$(sha256 < "${tokens}") $(sha256 < "${dump}/${dump_train}/text")" "${noted}" \
        || die "the transcripts in ${dump}/${dump_train} were not checked against" \
            "${tokens}: run stage 2${way_out} again (--stage 2 --stop_stage 2)"
}
if wanted 3 || wanted 4 || wanted 5 || wanted 6 || wanted 8; then check_tokens; fi

front_end_of() {  # front_end_of KEYS: what the reference's configuration says of it
    awk -v keys="^($1):" '
        /^[^ #]/ { kept = $0 ~ keys }
        { sub(/ *#.*/, "") }
        kept && NF' "${reference_config}"
}
stats_request() {  # what the statistics depend on, an input a line
    echo "training set: $(sha256 < "${dump}/${dump_train}/done.json")"
    echo "development set: $(sha256 < "${dump}/${valid_set}/done.json")"
    echo "features: ${feats_type} ${reference:+of an imported reference}"
    # Of an imported reference its own normalisation is used.
    [ -n "${reference}" ] || echo "front end: $(front_end_of \
        "(frontend|preprocessor)(_conf)?|speech_volume_normalize" | xargs)"
}
earlier_stats_request() {  # the same as earlier versions wrote it down, as one word
    {
        cat "${dump}/${dump_train}/done.json" "${dump}/${valid_set}/done.json"
        echo "${feats_type} ${reference:+imported}"
        [ -n "${reference}" ] || front_end_of "frontend(_conf)?"
    } | sha256
}
why_stats() {  # the first input that is another one
    local line name old
    [ -n "${kept}" ] || { echo "there are none"; return; }
    while IFS= read -r line; do
        if grep -qxF "${line}" <<< "${kept}"; then continue; fi
        name=${line%%: *}
        old=$(sed -n "s/^${name}: //p" <<< "${kept}")
        echo "another ${name} (was ${old:-not noted}, is ${line#*: })"
        return
    done <<< "${request}"
    echo "another reference"
}
if wanted 3; then
    log "Stage 3: statistics"
    need "${dump}/${dump_train}/done.json" 2
    need "${dump}/${valid_set}/done.json" 2
    set_feature_opts
    request=$(stats_request)
    kept=$(cat "${stats}/.done" 2> /dev/null || true)
    # An empty one, and one word, are of versions that wrote no more down.
    if [ "${kept}" = "${request}" ] || [ "${kept}" = "$(earlier_stats_request)" ] \
        || { [ -z "${kept}" ] \
        && [ "${stats}/.done" -nt "${dump}/${dump_train}/done.json" ]; }; then
        log "${stats} is finished already"
    else
        log "${stats} is made: $(why_stats)"
        rm -f "${stats}/.done"
        if [ -n "${reference}" ]; then
            # The reference's normalisation is used; only the lengths are needed.
            for part in train:${dump_train} valid:${valid_set}; do
                mkdir -p "${stats}/${part%:*}"
                cp "${dump}/${part#*:}/${lengths}" "${stats}/${part%:*}/speech_shape"
            done
        else
            # shellcheck disable=SC2086
            submit "${train_cmd}" stats ${python} -m espnet_plugin.bin.asr_train --collect_stats true \
                --config "${reference_config}" "${data_opts[@]}" "${token_opts[@]}" \
                "${feature_opts[@]}" \
                --train_shape_file "${dump}/${dump_train}/${lengths}" \
                --valid_shape_file "${dump}/${valid_set}/${lengths}" \
                --output_dir "${stats}"
        fi
        echo "${request}" > "${stats}/.done"
    fi
fi

if wanted 4 && [ -z "${reference}" ]; then
    log "Stage 4: reference model"
    need "${stats}/.done" 3
    set_feature_opts
    normalize=(
        --normalize global_mvn --normalize_conf "stats_file=${stats}/train/feats_stats.npz"
    )
    # Whisper's encoder takes audio, which is not to be normalised.
    ! grep -qE '^normalize: *(null|none|~) *(#.*)?$' "${reference_config}" || normalize=()
    # shellcheck disable=SC2086
    train reference ${python} -m espnet_plugin.bin.train_models --kind reference \
        --config "${reference_config}" --output "${reference_exp}" --seed "${reference_seed}" \
        "${data_opts[@]}" "${shape_opts[@]}" "${token_opts[@]}" "${feature_opts[@]}" \
        "${normalize[@]}"
fi

if wanted 5; then
    [ -n "${budget}" ] || log "Stage 5: EncRL pre-training of ${encrl_layers} layers"
    need "${stats}/.done" 3
    need "${reference_exp}/meta.json" 4
    encrl_data=("${data_opts[@]}" "${shape_opts[@]}")
    if [ -n "${unlabelled_sets}" ]; then
        need "${dump}/${encrl_set}/${lengths}" 2
        encrl_data=(
            --train_data_path_and_name_and_type "${dump}/${encrl_set}/${scp},speech,${type}"
            --train_shape_file "${dump}/${encrl_set}/${lengths}"
            "${data_opts[@]:4}" "${shape_opts[@]:2}"
        )
    fi
    if [ -n "${budget}" ]; then
        log "Stage 5: trials of shapes for ${budget}"
        # shellcheck disable=SC2086
        submit "${cuda_cmd}" try_shapes ${python} -m espnet_plugin.bin.try_shapes \
            --config "${encrl_config}" --output_dir "${shapes_dir}" --seed "${seed}" \
            --reference "${reference_exp}" --budget "${budget}" --trials "${trials}" \
            --trial_epochs "${trial_epochs}" --shape_init "${shape_init}" \
            ${objectives:+--objectives ${objectives}} \
            ${teacher_cache:+--teacher_cache "${teacher_cache}"} \
            "${encrl_data[@]}" ${encrl_args}
        chosen_sizes
        divide_sizes
        log "Stage 5: EncRL pre-training of sizes ${sizes}"
    fi
    encrl() {  # encrl LOG FOLDER LAYERS INIT FREEZE EPOCHS SIZES [more options]: a training
        # shellcheck disable=SC2086
        train "$1" ${python} -m espnet_plugin.bin.encrl_train \
            --config "${encrl_config}" --output_dir "$2" --seed "${seed}" \
            --variant "${variant}" --serves $7 \
            --reference "${reference_exp}" \
            ${3:+--student_num_layers "$3"} ${4:+--student_init "$4"} \
            ${objectives:+--objectives ${objectives}} \
            ${6:+--max_epoch $6} \
            ${teacher_cache:+--teacher_cache "${teacher_cache}"} \
            "${encrl_data[@]}" ${5:+--freeze_param $5} "${@:8}" ${encrl_args}
    }
    running=()
    for n in ${alone}; do
        how=("${n}" "${alone_init}" "${alone_freeze}")
        # With a width, --serves says what the student is like.
        [[ ${n} != *x* ]] || how=("" "" "")
        one=(encrl "encrl_${n}l" "${encrl_exp}_${n}l" "${how[@]}" \
            "${alone_epochs:-${encrl_epochs}}" "${n}" --shape_init "${shape_init}")
        if [ "${train_jobs}" = 1 ]; then
            "${one[@]}"
            continue
        fi
        [ "${#running[@]}" -lt $((train_jobs - 1)) ] || {
            wait "${running[0]}" || die "see ${expdir}/log"
            running=("${running[@]:1}")
        }
        file=${expdir}/log/encrl_${n}l${log_suffix}.log
        mkdir -p "${expdir}/log"
        log "${n} layers by themselves, beside the others: ${file}"
        ( "${one[@]}" > "${file}" 2>&1 || { tail -n 20 "${file}" >&2; exit 1; } ) &
        running+=($!)
    done
    failed=false
    if [ "${#together[@]}" -gt 0 ]; then
        encrl encrl "${encrl_exp}" "${encrl_layers}" "${student_init}" "${freeze}" \
            "${encrl_epochs}" "${together[*]}" \
            ${exits:+--student_exits "${exits[@]}"} || failed=true
    fi
    for one in "${running[@]}"; do wait "${one}" || failed=true; done
    ! ${failed} || die "a training of stage 5 failed: run the same command again, what" \
        "is finished is not done again"
fi

if wanted 6; then
    log "Stage 6: CTC fine-tuning of ${sizes} layers"
    need "${stats}/train/speech_shape" 3
    fine_tune() {  # fine_tune KIND SIZES EPOCHS FREEZE [more options]: of the run in hand
        # shellcheck disable=SC2086
        train "finetune_${2// /_}" ${python} -m espnet_plugin.bin.train_models \
            --kind "$1" "${run[@]}" --sizes $2 "${@:5}" \
            --output "${student_exp}" --seed "${seed}" --config "${finetune_config}" \
            ${3:+--max_epoch $3} "${data_opts[@]}" "${shape_opts[@]}" \
            ${4:+--freeze_param $4} ${finetune_args}
    }
    of_one_run() {  # of_one_run FOLDER CUT SIZES FREEZE KIND: models of a training of stage 5
        local run=(--encrl_dir "$1" --family "$2") these one n
        need "$1/done.json" 5
        if [ "${finetune_epochs}" = 0 ]; then
            local cut=()
            for n in $3; do
                [[ " ${finetune_alone}" == *" ${n}:"* ]] || cut+=("${n}")
            done
            # shellcheck disable=SC2086
            [ "${#cut[@]}" -eq 0 ] || submit "${train_cmd}" direct ${python} -m \
                espnet_plugin.bin.train_models --kind direct "${run[@]}" \
                --sizes "${cut[@]}" --output "${student_exp}" --method encrl
            for one in ${finetune_alone}; do
                [[ " $3 " != *" ${one%:*} "* ]] || fine_tune finetune "${one%:*}" \
                    "${one#*:}" "$(frozen_alone "${one%:*}")"
            done
        else
            # In one process, but on several nodes: the launcher makes one meeting a start.
            local in_process=("$3")
            if [ "$5" = finetune ] && several_nodes; then
                read -ra in_process <<< "$3"
            fi
            for these in "${in_process[@]}"; do
                local further=()
                for one in ${finetune_alone}; do
                    [[ " ${these} " != *" ${one%:*} "* ]] || further+=("${one}")
                done
                fine_tune "$5" "${these}" "${finetune_epochs}" "$4" \
                    ${further:+--alone "${further[@]}"}
            done
        fi
        if ${direct}; then
            # shellcheck disable=SC2086
            submit "${train_cmd}" direct ${python} -m espnet_plugin.bin.train_models \
                --kind direct "${run[@]}" --sizes $3 --output "${student_exp}_direct"
        fi
    }
    kind=finetune
    [ "${finetune}" != together ] || kind=together
    [ "${#together[@]}" -eq 0 ] \
        || of_one_run "${encrl_exp}" "${cut}" "${together[*]}" "${freeze}" "${kind}"
    for n in ${alone}; do
        of_one_run "${encrl_exp}_${n}l" first "${n}" "$(frozen_alone "${n}")" finetune
    done
fi

if wanted 7; then
    log "Stage 7: decoding and scoring"
    mapfile -t models < <(of_sizes "${student_exp}")
    need "${models[0]}/meta.json" 6
    if ${direct}; then
        mapfile -t -O "${#models[@]}" models < <(of_sizes "${student_exp}_direct")
    fi
    evaluate "${reference_exp}" "${models[@]}"
fi

if wanted 8; then
    log "Stage 8: baselines ${baselines}"
    need "${stats}/train/speech_shape" 3
    need "${reference_exp}/config.yaml" 4
    files=() cache_opts=()
    for name in ${baselines}; do files+=("${baseline_dir}/${name}.yaml"); done
    mkdir -p "${expdir}"
    # Of this call alone: another one may train other sizes of the same baseline.
    made=$(mktemp "${expdir}/.made.XXXXXX")
    trap 'rm -f "${made}"' EXIT
    # With further audio stage 5 stores more than a baseline asks for.
    [ -n "${unlabelled_sets}" ] || [ -z "${teacher_cache}" ] \
        || cache_opts=(--teacher_cache "${teacher_cache}")
    # shellcheck disable=SC2086
    train baselines ${python} -m espnet_plugin.bin.baselines --baselines "${files[@]}" \
        --reference "${reference_exp}" "${cache_opts[@]}" \
        --sizes ${sizes} --exp_dir "${expdir}" --seed "${seed}" --list "${made}" \
        ${baseline_training:+--training "${baseline_training}"} \
        ${baseline_epochs:+--max_epoch ${baseline_epochs}} \
        ${baseline_lr:+--max_lr "${baseline_lr}"} \
        "${data_opts[@]}" "${shape_opts[@]}"
    mapfile -t models < "${made}"
    # Not every baseline makes models of another width than the reference's.
    [ "${#models[@]}" -eq 0 ] || evaluate "${models[@]}"
fi

if wanted 9; then
    log "Stage 9: report"
    # A teacher cache, which may lie beside the models, has a meta.json too.
    mapfile -t models < <(
        find -H "${expdir}" -maxdepth 2 -name meta.json -printf '%h\n' \
            | grep -E '/(asr|encrl)_[^/]*$' | sort
    )
    [ "${#models[@]}" -gt 0 ] || die "${expdir} has no finished model: run stages 4 to 8"
    if ${remeasure_rtf}; then
        # shellcheck disable=SC2086
        ${python} -m espnet_plugin.bin.evaluate "${models[@]}" \
            --dump_dir "${dump}" --sets --only_rtf true
    fi
    eval "more_report_opts=(${report_opts})"
    ${python} -m espnet_plugin.bin.report "${models[@]}" --corpus "${corpus}" \
        --decoding "${decoding}" --test_set "${test_sets%% *}" --dev_set "${valid_set}" \
        --results_json "${results_json}" --markdown "${results}" \
        --plot_dir "${plot_dir:-${expdir}/report}" --html "${expdir}/report/report.html" \
        "${more_report_opts[@]}"
fi

if wanted 10; then
    log "Stage 10: export to a device (${export_targets})"
    mapfile -t models < <(of_sizes "${student_exp}")
    need "${models[0]}/meta.json" 6
    # The texts of the files are compared with ESPnet's on the development set's audio.
    export_dev=(--dev "${dump}/${valid_set}")
    [ "${feats_type}" != fbank ] \
        || export_dev=(--dev "${datadir}/${valid_set}" --fbank_rate "${fs}")
    eval "more_export_opts=(${export_opts})"
    rejected=false  # status 3: all is written but 8-bit files that lost too much
    for target in ${export_targets}; do
        # shellcheck disable=SC2086
        ${python} -m espnet_plugin.bin.export "${models[@]}" ${export_models} \
            --target "${target}" --measure "${export_dev[@]}" "${more_export_opts[@]}" \
            || { status=$?; [ "${status}" -eq 3 ] || exit "${status}"; rejected=true; }
    done
    log "Run stage 9 again to have the exports in the report"
    ! ${rejected} || exit 3
fi
log "Done"
exit 0
}
