#!/usr/bin/env bash
# Make a recipe folder for a corpus of your own, inside or outside of this repository:
#   egs2/TEMPLATE/encrl1/setup.sh /any/where/mycorpus/encrl1
# cmd.sh, db.sh and run.sh are copies to edit, the rest are links.
set -euo pipefail

if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
template=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
root=$(cd "${template}/../../.." && pwd)
if [ -e "$1/run.sh" ]; then
    echo "$1 is a recipe already: choose another folder" >&2
    exit 2
fi

mkdir -p "$1/local"
cp "${template}/cmd.sh" "${template}/db.sh" "$1"
ln -s "${template}/encrl.sh" "${template}/jobs.sh" "$1"
ln -s "${root}/conf" "$1/conf"
cat > "$1/path.sh" << END
export ESPNET_PLUGIN_ROOT=\${ESPNET_PLUGIN_ROOT:-$(printf '%q' "${root}")}
. "\${ESPNET_PLUGIN_ROOT}/egs2/TEMPLATE/encrl1/path.sh"
END
cat > "$1/run.sh" << 'END'
#!/usr/bin/env bash
# This corpus's options, for example: --sizes "6 4 2" --fs 16000
set -euo pipefail

./encrl.sh \
    "$@"
END
chmod +x "$1/run.sh"
echo "$1 is ready: write local/data.sh, or use --asr_recipe (see docs/your_own_model.md)"
