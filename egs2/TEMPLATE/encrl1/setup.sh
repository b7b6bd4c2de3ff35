#!/usr/bin/env bash
# Make a recipe folder for a corpus of your own, inside or outside of this repository:
#   egs2/TEMPLATE/encrl1/setup.sh /any/where/mycorpus/encrl1
#   egs2/TEMPLATE/dualmode1/setup.sh /any/where/mycorpus/dualmode1
#   egs2/TEMPLATE/lmprune1/setup.sh /any/where/mycorpus/lmprune1
# cmd.sh, db.sh and run.sh are copies to edit, the rest are links.
set -euo pipefail

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
fi
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
template=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
root=$(cd "${template}/../../.." && pwd)
given='' about=''
refuse() { echo "$1: $2: choose another folder" >&2; exit 2; }
[ ! -e "$1/run.sh" ] || refuse "$1" "is a recipe already"

# The other folders have a link to this script: the folder it is called in says which
# recipe.
case $(basename "$(cd "$(dirname "$0")" && pwd)") in
    dualmode1)
        stages=${root}/egs2/TEMPLATE/dualmode1/dualmode.sh
        links=("${stages}" "${template}/table.sh")
        example="--train_config dual_mode.yaml --token_type bpe"
        next="write local/data.sh, or put Kaldi folders into data (see docs/dual_mode.md)"
        ;;
    lmprune1)
        stages=${root}/egs2/TEMPLATE/lmprune1/lmprune.sh
        links=("${stages}" "${template}/table.sh")
        example="--asr_exp ../encrl1/exp/asr_reference"
        next="write local/data.sh, or put Kaldi folders into data (docs/language_model.md)"
        ;;
    *)
        stages=${template}/encrl.sh
        links=("${stages}" "${template}/jobs.sh" "${template}/table.sh")
        example='--sizes "6 4 2" --fs 16000'
        about="# Those below need transcripts for all training audio (docs/your_own_model.md).
"
        given='    --encrl_config conf/train_encrl_ctc.yaml \
    --family nested \
    --freeze encoder.embed \
    --finetune_epochs 0 \
    --finetune_alone "smallest:5" \
'
        next="write local/data.sh, put Kaldi folders into data, or use --asr_recipe (see docs/your_own_model.md)"
        ;;
esac

# Nothing is written over, and a link in place of a folder would end up in it.
for made in "${links[@]##*/}" cmd.sh db.sh conf path.sh; do
    [ ! -e "$1/${made}" ] && [ ! -L "$1/${made}" ] || refuse "$1" "has ${made} already"
done
mkdir -p "$1/local" 2> /dev/null || refuse "$1" "cannot be made or written to"
cp "${template}/cmd.sh" "${template}/db.sh" "$1"
ln -s "${links[@]}" "$1"
ln -s "${root}/conf" "$1/conf"
cat > "$1/path.sh" << END
export ESPNET_PLUGIN_ROOT=\${ESPNET_PLUGIN_ROOT:-$(printf '%q' "${root}")}
. "\${ESPNET_PLUGIN_ROOT}/egs2/TEMPLATE/encrl1/path.sh"
END
cat > "$1/run.sh" << END
#!/usr/bin/env bash
# This corpus's options, for example: ${example}
${about}set -euo pipefail
[ -e path.sh ] || { echo "\$0: start it in its folder: cd \$(dirname "\$0")" >&2; exit 2; }

exec ./$(basename "${stages}") \\
${given}    "\$@"
END
chmod +x "$1/run.sh"
echo "$1 is ready: ${next}"
