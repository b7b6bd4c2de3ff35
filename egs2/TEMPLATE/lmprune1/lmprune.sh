#!/usr/bin/env bash
# A language model for a recogniser, made smaller in several ways. A recipe's run.sh calls
# this with its options; see --help.
set -euo pipefail
{  # bash reads a group whole, so that editing this file disturbs no run of it.
# General
stage=1          # First stage to run.
stop_stage=8     # Last stage to run.
nj=2             # Worker processes of stage 2.
num_threads=1    # Threads of each process.
python=python3   # May be several words.
datadir=data     # Kaldi data folders.
dumpdir=dump     # Formatted audio.
expdir=exp       # Models.

# Data
train_set=train
valid_set=dev
test_sets=test           # Several in quotes; the table shows the first.
local_data_opts=         # For local/data.sh, e.g. "--an4 /corpora/an4".
lm_train_text=           # More Kaldi text files to train on, several in quotes.
fs=16000                 # Hz.
token_type=char          # char or bpe.
nbpe=100                 # Size of the BPE vocabulary.
nlsyms=                  # File of symbols in transcripts that are not speech.
asr_exp=                 # Recogniser: stage 3 takes its tokens, stage 7 decodes with it.

# Training (stages 4 and 5)
lm_config=conf/lmprune/train_lm_an4.yaml       # Of the dense model.
fine_tuning_config=conf/lmprune/fine_tune.yaml # What is other after a cut.
row_dir=conf/lmprune/rows    # What is done to the dense model, a file each.
rows="cut_first_order_50 cut_magnitude_50 units_first_order_50 cut_first_order_25
      cut_first_order_steps svd_50 svd_activations_50 svd_first_order_50
      svd_activations_25 svd_activations_steps further_4 further_8 scratch_50 scratch_25"
epochs=                      # Of the dense model, instead of the configuration's.
seeds=1                      # Several in quotes.

# Measuring (stage 6), decoding (stage 7), report (stage 8)
speed=false                  # Time of a token as well, on a quiet machine.
lm_weights="0.2 0.4 0.6"     # One is chosen on valid_set.
beam=10                      # Hypotheses of the search.
results=exp/RESULTS.md       # Where stage 8 puts its table,
results_json=exp/results.json  # and the figures behind it.

run_args=$(printf '%q ' "$@")
help_message="Usage: $0 [--option value]...

Stages: 1 data preparation, 2 audio and tokens (both as in the EncRL recipe), 3 text for
the language model, 4 training of the dense model, 5 smaller models of it and controls,
6 perplexity, size and speed, 7 word error rates with --asr_exp, 8 table.

$(sed -n '/^# General/,/^run_args/p' "${BASH_SOURCE[0]}" | grep -v '^run_args')"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
template=${here}/../encrl1
. "${template}/parse_options.sh"
. "${here}/submit.sh"
. ./path.sh
. ./cmd.sh

log() { echo "$(date '+%H:%M:%S') $*" >&2; }
die() { log "ERROR $*"; exit 2; }
log_suffix=
trap 'log "Interrupted. The same command resumes from here."; exit 130' INT
log "$0 ${run_args}"
export ESPNET_PLUGIN_LOGS=${expdir}/log OMP_NUM_THREADS=${num_threads}

wanted() { [ "${stage}" -le "$1" ] && [ "${stop_stage}" -ge "$1" ]; }
run() {  # run COMMANDS NAME options...: a command of this plugin
    submit "$1" "$2" ${python} -m "espnet_plugin.bin.$2" "${@:3}"
}
[ -n "${asr_exp}" ] || ! wanted 7 || die "stage 7 needs --asr_exp, the folder of a recogniser" \
    "with the same tokens; without one: --stop_stage 6, then --stage 8"
text_dir=${expdir}/lm_text
token_dir=${datadir}/token_list/${token_type}
[ "${token_type}" = char ] || token_dir=${datadir}/token_list/bpe${nbpe}
row_files=()
for row in ${rows}; do row_files+=("${row_dir}/${row}.yaml"); done
if wanted 1 || wanted 2; then
    "${template}/encrl.sh" --stage "${stage}" --stop_stage $(( stop_stage < 2 ? 1 : 2 )) \
        --nj "${nj}" --python "${python}" --datadir "${datadir}" --dumpdir "${dumpdir}" \
        --expdir "${expdir}" --train_set "${train_set}" --valid_set "${valid_set}" \
        --test_sets "${test_sets}" --local_data_opts "${local_data_opts}" --fs "${fs}" \
        --token_type "${token_type}" --nbpe "${nbpe}" --nlsyms "${nlsyms}"
fi
if wanted 3; then
    tokens=(--token_list "${token_dir}/tokens.txt" --token_type "${token_type}")
    [ "${token_type}" = char ] || tokens+=(--bpemodel "${token_dir}/bpe.model")
    [ -z "${nlsyms}" ] || tokens+=(--nlsyms "${nlsyms}")
    [ -z "${asr_exp}" ] || tokens=(--asr_exp "${asr_exp}")
    tests=()
    for name in ${test_sets}; do tests+=("${name}=${datadir}/${name}/text"); done
    run "${train_cmd}" lm_text --output_dir "${text_dir}" "${tokens[@]}" \
        --train_text "${datadir}/${train_set}/text" ${lm_train_text} \
        --valid_text "${datadir}/${valid_set}/text" --test_text "${tests[@]}"
fi
for seed in ${seeds}; do
    options=(--config "${lm_config}" --text_dir "${text_dir}" --exp_dir "${expdir}"
             --seed "${seed}" ${epochs:+--max_epoch "${epochs}"})
    if wanted 4; then run "${cuda_cmd}" lm_train "${options[@]}"; fi
    if wanted 5; then
        run "${cuda_cmd}" lm_compress "${options[@]}" \
            --fine_tuning_config "${fine_tuning_config}" --rows "${row_files[@]}"
    fi
done
if wanted 6; then
    run "${train_cmd}" lm_measure --exp_dir "${expdir}" --text_dir "${text_dir}" \
        --speed "${speed}"
fi
if wanted 7; then
    run "${decode_cmd}" lm_decode --exp_dir "${expdir}" --asr_exp "${asr_exp}" \
        --dump_dir "${dumpdir}/raw" --dev_set "${valid_set}" \
        --test_set "${test_sets%% *}" --lm_weights ${lm_weights} --beam "${beam}"
fi
if wanted 8; then
    run "${train_cmd}" lm_report --exp_dir "${expdir}" \
        --test_set "${test_sets%% *}" --markdown "${results}" --results_json "${results_json}"
fi
log "Done"
exit 0
}
