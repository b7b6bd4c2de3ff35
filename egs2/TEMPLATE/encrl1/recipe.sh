# Sourced by encrl.sh, dualmode.sh and lmprune.sh, which say in ${family} which of them it
# is, and by jobs.sh. Stages and options are in Python (espnet_plugin/recipe), where cmd.sh
# is read.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd)
export PYTHONPATH=${root}${PYTHONPATH:+:${PYTHONPATH}}
command=(python3 -m "espnet_plugin.bin.${module:-recipe}" ${family:+"${family}"})
for option in "$@"; do
    [ "${option}" != -- ] || break
    if [ "${option}" = --help ] || [ "${option}" = -h ]; then
        # In any folder, a recipe's or not.
        export PATH=${VENV:-${root}/.venv}/bin:${PATH}
        [ ! -e path.sh ] || . ./path.sh > /dev/null 2>&1 || true
        # The options that run.sh gives before it are the recipe's defaults.
        [ -z "${family:-}" ] || exec "${command[@]}" "$@"
        exec "${command[@]}" --help
    fi
done
if [ ! -e path.sh ]; then
    echo "$0: there is no path.sh here ($(pwd)): call it in a recipe's folder; make one" \
        "with egs2/TEMPLATE/encrl1/setup.sh FOLDER (or dualmode1, lmprune1)" >&2
    exit 2
fi
. ./path.sh
exec "${command[@]}" "$@"
