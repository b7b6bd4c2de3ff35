# Sourced by encrl.sh and dualmode.sh, which say in ${family} which of them it is. The
# stages and their options are in Python (espnet_plugin/recipe); cmd.sh is read there.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd)
export PYTHONPATH=${root}${PYTHONPATH:+:${PYTHONPATH}}
for option in "$@"; do
    if [ "${option}" = --help ] || [ "${option}" = -h ]; then
        # In any folder, a recipe's or not.
        export PATH=${VENV:-${root}/.venv}/bin:${PATH}
        [ ! -e path.sh ] || . ./path.sh > /dev/null 2>&1 || true
        exec python3 -m espnet_plugin.bin.recipe "${family}" --help
    fi
done
. ./path.sh
exec python3 -m espnet_plugin.bin.recipe "${family}" "$@"
