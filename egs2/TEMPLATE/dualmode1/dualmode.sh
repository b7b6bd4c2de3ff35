#!/usr/bin/env bash
# One set of weights, two recognisers: dense full-context, and sparse streaming. A
# recipe's run.sh calls this with its options; see --help.
set -euo pipefail

{  # bash reads a group whole, so that editing this file disturbs no run of it.

# General
stage=1          # First stage to run.
stop_stage=9     # Last stage to run.
nj=2             # Worker processes of stage 2.
ngpu=0           # GPUs for training and decoding, on one node.
decode_nj=1      # Processes of decoding, each with its part of every set.
num_threads=1    # Threads of each process.
python=python3   # May be several words.
datadir=data     # Kaldi data folders.
dumpdir=dump     # Formatted audio or features.
expdir=exp       # Models.
corpus=          # Its name in the tables; the recipe's folder by default.

# Data
train_set=train
valid_set=dev
test_sets=test          # Several in quotes; the tables show the first.
local_data_opts=        # For local/data.sh, e.g. "--an4 /corpora/an4".
pretrain_set=           # Folder in data: audio to pre-train on, without transcripts.
fs=16000                # Hz; the configurations' frontend_conf has to say the same.
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

# Training (stages 4 and 5)
pretrain_config=conf/dualmode/pretrain_wav2vec2.yaml
pretrain_epochs=            # Instead of the configuration's.
train_config=conf/dualmode/train_an4.yaml  # Supervised.
row_dir=conf/dualmode/rows  # What a row changes in it, a file each.
rows=self_pruned_50         # Names of files there, in quotes if several.
epochs=                     # Instead of the configuration's.
pretrained=                 # Checkpoint of a pre-training, for rows that want one; that
                            # of stage 4 if there is a pretrain_set.
train_args=                 # More options for stage 5.
seed=1

# Baselines (stage 8)
baselines="full_alone streaming_alone pruned_after_50 dense_dense"

# Decoding (stage 7), report (stage 9)
decoding=best_path          # best_path, or transducer where there is one.
remeasure_rtf=false         # Measure speed again in stage 9, on a quiet machine.
results=RESULTS.md          # Where stage 9 puts its tables,
results_json=results.json   # and the figures behind them.
plot_dir=                   # Where it draws; in expdir by default.

# Export to a device (stage 10); needs pip install '.[device]'
export_targets=onnx         # onnx, sherpa-onnx, or both in quotes.
export_opts=                # More options, quoted for the shell:
                            # python -m espnet_plugin.bin.export --help

run_args=$(printf '%q ' "$@")
help_message="Usage: $0 [--option value]...

Stages: 1 data preparation, 2 features and tokens, 3 statistics (all three as in the
EncRL recipe), 4 wav2vec 2.0 pre-training in both modes, if there is a --pretrain_set, 5
dual-mode training, 6 a folder for each mode, the streaming one cut out, 7 decoding and
scoring of both, 8 the same three stages for --baselines, 9 report,
10 export of the streaming models to a device (see docs/devices.md).

$(sed -n '/^# General/,/^run_args/p' "${BASH_SOURCE[0]}" | grep -v '^run_args')"

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
template=${here}/../encrl1
for option in "$@"; do  # an older name of it
    shift
    [ "${option}" != --rivals ] || option=--baselines
    set -- "$@" "${option}"
done
. "${template}/parse_options.sh"
. "${template}/check_options.sh"
. "${template}/check_values.sh"
. "${template}/submit.sh"
. ./path.sh
. ./cmd.sh

log() { echo "$(date '+%H:%M:%S') $*" >&2; }
die() { log "ERROR $*"; exit 2; }
log_suffix=_s${seed}
# bash runs this when the command that Ctrl-C stopped as well has ended.
trap 'log "Interrupted. The same command resumes from here."; exit 130' INT
log "$0 ${run_args}"

# Where a command leaves the traceback of what nobody foresaw.
export ESPNET_PLUGIN_LOGS=${expdir}/log
[[ ${token_type} == char || ${token_type} == bpe ]] \
    || die "--token_type ${token_type}: must be char or bpe"
for row in ${rows} ${baselines}; do
    [ -e "${row_dir}/${row}.yaml" ] || die "row ${row}: ${row_dir}/${row}.yaml is missing;" \
        "there are $(cd "${row_dir}" && echo *.yaml | sed 's/\.yaml//g')"
done
corpus=${corpus:-$(basename "$(dirname "${PWD}")")}
check_common
for option in epochs pretrain_epochs; do count "?${option}" 1; done
sets "?pretrain_set"
one_of decoding best_path prefix transducer
[ "${stage}" -gt 1 ] || [ -e local/data.sh ] || die "local/data.sh is missing: write it (it" \
    "makes Kaldi folders in ${datadir}), or put these there and begin with --stage 2"

dump=${dumpdir}/raw
dump_train=${train_set}
[ -z "${speed_perturb_factors}" ] || dump_train=${train_set}_sp
token_name=${token_type}
[ "${token_type}" = char ] || token_name=bpe${nbpe}
token_dir=${datadir}/token_list/${token_name}
stats=${expdir}/asr_stats_raw_${token_name}
pretrain_exp=${expdir}/dual_pretrain
if [ -n "${pretrain_set}" ]; then pretrained=${pretrained:-${pretrain_exp}/latest.pth}; fi
# Otherwise ESPnet takes several GPUs by threads of one process.
ranks=(--ngpu "${ngpu}")
[ "${ngpu}" -le 1 ] || ranks+=(--multiprocessing_distributed true)
symbols=none
[ -z "${nlsyms}" ] || symbols=${token_dir}/nlsyms.txt  # stage 2 writes it
bpemodel=none
[ "${token_type}" = char ] || bpemodel=${token_dir}/bpe.model

data_opts=(
    --train_data_path_and_name_and_type "${dump}/${dump_train}/wav.scp,speech,sound"
    --train_data_path_and_name_and_type "${dump}/${dump_train}/text,text,text"
    --valid_data_path_and_name_and_type "${dump}/${valid_set}/wav.scp,speech,sound"
    --valid_data_path_and_name_and_type "${dump}/${valid_set}/text,text,text"
    --train_shape_file "${stats}/train/speech_shape"
    --valid_shape_file "${stats}/valid/speech_shape"
    "${ranks[@]}" --num_att_plot 0
    --use_preprocessor true --token_type "${token_type}"
    --token_list "${token_dir}/tokens.txt" --bpemodel "${bpemodel}"
    --non_linguistic_symbols "${symbols}" --cleaner none --g2p none
    --normalize global_mvn --normalize_conf "stats_file=${stats}/train/feats_stats.npz"
)

wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }
check_machine() {  # once, before trainings; stages 1 to 3 check for themselves
    local names=() name left=false gpus=${ngpu}
    if wanted 4 && [ -n "${pretrain_set}" ]; then names+=("${pretrain_exp}"); fi
    if wanted 5; then for name in ${rows}; do names+=("$(supernet "${name}")"); done; fi
    if wanted 8; then for name in ${baselines}; do names+=("$(supernet "${name}")"); done; fi
    for name in "${names[@]}"; do [ -e "${name}/done.json" ] || left=true; done
    ${left} || return 0  # where all is finished, nothing is needed
    [ -z "${cuda_cmd}" ] || gpus=0  # a queue's jobs run elsewhere and look for themselves
    ${python} -m espnet_plugin.bin.check_environment --ngpu "${gpus}" --folders "${expdir}"
}
supernet() { echo "${expdir}/dual_$1_s${seed}"; }
check_machine
need() {  # need FILE STAGE: refuse to start a stage whose input is not there
    [ -e "$1" ] || die "$1 is missing: run stage $2 first (--stage $2)"
}
train_rows() {  # train_rows ROW...
    need "${stats}/.done" 3
    local files=()
    for row in "$@"; do files+=("${row_dir}/${row}.yaml"); done
    # shellcheck disable=SC2086
    submit "${cuda_cmd}" "train_$(IFS=_; echo "$*")" \
        ${python} -m espnet_plugin.bin.dual_mode_train \
        --config "${train_config}" --rows "${files[@]}" \
        --exp_dir "${expdir}" --seed "${seed}" \
        ${epochs:+--max_epoch ${epochs}} ${pretrained:+--pretrained "${pretrained}"} \
        "${data_opts[@]}" ${train_args}
}
split_rows() {  # split_rows ROW...
    local folders=()
    for row in "$@"; do
        folders+=("${expdir}/dual_${row}_s${seed}")
        need "${folders[-1]}/done.json" 5
    done
    # shellcheck disable=SC2086
    submit "${train_cmd}" "split_$(IFS=_; echo "$*")" \
        ${python} -m espnet_plugin.bin.dual_mode_split "${folders[@]}"
}
evaluate_rows() {  # evaluate_rows ROW...
    local models=()
    for row in "$@"; do
        need "${expdir}/asr_${row}_s${seed}.models" 6
        mapfile -t -O "${#models[@]}" models < "${expdir}/asr_${row}_s${seed}.models"
    done
    # shellcheck disable=SC2086
    submit "${decode_cmd}" "evaluate_$(IFS=_; echo "$*")" \
        ${python} -m espnet_plugin.bin.evaluate "${models[@]}" \
        --dump_dir "${dump}" --sets "${valid_set}" ${test_sets} \
        --decoding "${decoding}" --num_threads "${num_threads}" --ngpu "${ngpu}" \
        --nj "${decode_nj}"
}

if wanted 1 || wanted 2 || wanted 3; then
    # The EncRL recipe's own stages, on the same folders.
    "${template}/encrl.sh" --stage "${stage}" \
        --stop_stage $(( stop_stage < 3 ? stop_stage : 3 )) \
        --nj "${nj}" --python "${python}" --datadir "${datadir}" --dumpdir "${dumpdir}" \
        --expdir "${expdir}" --train_set "${train_set}" --valid_set "${valid_set}" \
        --test_sets "${test_sets}" --unlabelled_sets "${pretrain_set}" \
        --local_data_opts "${local_data_opts}" --fs "${fs}" \
        --speed_perturb_factors "${speed_perturb_factors}" \
        --min_wav_duration "${min_wav_duration}" \
        --max_wav_duration "${max_wav_duration}" \
        --bad_utterances "${bad_utterances}" --check_audio "${check_audio}" --token_type "${token_type}" \
        --nbpe "${nbpe}" --nlsyms "${nlsyms}" --reference_config "${train_config}"
fi

if wanted 4; then
    if [ -z "${pretrain_set}" ]; then
        log "Stage 4: no --pretrain_set, no pre-training"
    else
        log "Stage 4: pre-training on ${pretrain_set}"
        need "${stats}/.done" 3
        need "${dump}/${pretrain_set}/utt2num_samples" 2
        # shellcheck disable=SC2086
        submit "${cuda_cmd}" pretrain ${python} -m espnet_plugin.bin.dual_mode_ssl_train \
            --config "${pretrain_config}" --output_dir "${pretrain_exp}" --seed 1 \
            --fine_tuning_config "${train_config}" \
            ${pretrain_epochs:+--max_epoch ${pretrain_epochs}} \
            --train_data_path_and_name_and_type "${dump}/${pretrain_set}/wav.scp,speech,sound" \
            --valid_data_path_and_name_and_type "${dump}/${valid_set}/wav.scp,speech,sound" \
            --train_shape_file "${dump}/${pretrain_set}/utt2num_samples" \
            --valid_shape_file "${stats}/valid/speech_shape" \
            --normalize_conf "stats_file=${stats}/train/feats_stats.npz" "${ranks[@]}"
    fi
fi

if wanted 5; then
    log "Stage 5: dual-mode training of ${rows}"
    # shellcheck disable=SC2086
    train_rows ${rows}
fi

if wanted 6; then
    log "Stage 6: a folder for each mode of ${rows}"
    # shellcheck disable=SC2086
    split_rows ${rows}
fi

if wanted 7; then
    log "Stage 7: decoding and scoring"
    # shellcheck disable=SC2086
    evaluate_rows ${rows}
fi

if wanted 8; then
    log "Stage 8: baselines ${baselines}"
    # shellcheck disable=SC2086
    train_rows ${baselines}
    # shellcheck disable=SC2086
    split_rows ${baselines}
    # shellcheck disable=SC2086
    evaluate_rows ${baselines}
fi

if wanted 9; then
    log "Stage 9: report"
    mapfile -t models < <(find -H "${expdir}" -maxdepth 2 -name meta.json -printf '%h\n' | sort)
    [ "${#models[@]}" -gt 0 ] || die "${expdir} has no finished model: run stages 5 to 8"
    if ${remeasure_rtf}; then
        mapfile -t recognisers < <(cat "${expdir}"/asr_*_s*.models)
        # shellcheck disable=SC2086
        ${python} -m espnet_plugin.bin.evaluate "${recognisers[@]}" \
            --dump_dir "${dump}" --sets --only_rtf true
    fi
    scores=(--decoding "${decoding}" --test_set "${test_sets%% *}")
    # Not from a pipe: a failure there would leave the comparisons out in silence.
    # shellcheck disable=SC2086
    pairs=$(${python} -m espnet_plugin.bin.dual_mode_pairs "${expdir}" "${scores[@]}")
    compare=()
    [ -z "${pairs}" ] || mapfile -t compare <<< "${pairs}"
    # shellcheck disable=SC2086
    ${python} -m espnet_plugin.bin.report "${models[@]}" --corpus "${corpus}" \
        "${scores[@]}" --dev_set "${valid_set}" "${compare[@]}" \
        --results_json "${results_json}" --markdown "${results}" \
        --plot_dir "${plot_dir:-${expdir}/report}" --html "${expdir}/report/report.html"
fi

if wanted 10; then
    log "Stage 10: export to a device (${export_targets})"
    mapfile -t recognisers < <(cat "${expdir}"/asr_*_s*.models 2> /dev/null | grep '_streaming$')
    [ "${#recognisers[@]}" -gt 0 ] \
        || die "${expdir} has no streaming model: run stages 5 and 6 with a row that streams"
    eval "more_export_opts=(${export_opts})"
    rejected=false  # status 3: all is written but 8-bit files that lost too much
    for target in ${export_targets}; do
        # shellcheck disable=SC2086
        ${python} -m espnet_plugin.bin.export "${recognisers[@]}" --target "${target}" \
            --measure --dev "${dump}/${valid_set}" "${more_export_opts[@]}" \
            || { status=$?; [ "${status}" -eq 3 ] || exit "${status}"; rejected=true; }
    done
    log "Run stage 9 again to have the exports in the report"
    ! ${rejected} || exit 3
fi
log "Done"
exit 0
}
