# Source this from a recipe's folder: `. ./path.sh`. It chooses the Python of all stages.
#   VENV=dir              an environment made elsewhere (see .ci/environment.sh)
#   ESPNET_ROOT=dir       an ESPnet checkout with its own tools/activate_python.sh
#   ESPNET_PLUGIN_ROOT=dir where this repository is, for a recipe copied out of it

MAIN_ROOT=$(cd "${ESPNET_PLUGIN_ROOT:-$(dirname "${BASH_SOURCE[0]}")/../../..}" && pwd) \
    || return 1
export MAIN_ROOT
if [ ! -d "${MAIN_ROOT}/espnet_plugin" ]; then
    echo "path.sh: ${MAIN_ROOT} is not this plugin's repository. Do not copy a recipe's" \
        "folder: make one with egs2/TEMPLATE/encrl1/setup.sh FOLDER (or dualmode1," \
        "lmprune1), or name the repository with ESPNET_PLUGIN_ROOT=DIR" >&2
    return 1
fi

export LC_ALL=C
export PYTHONIOENCODING=UTF-8
# More threads than that do not speed up the small models and disturb measured costs.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export PYTHONPATH=${MAIN_ROOT}${PYTHONPATH:+:${PYTHONPATH}}

if [ -n "${ESPNET_ROOT:-}" ]; then
    if [ ! -d "${ESPNET_ROOT}/espnet2" ]; then
        echo "path.sh: ESPNET_ROOT=${ESPNET_ROOT} is not an ESPnet checkout:" \
            "correct it, or unset it to use an installed ESPnet" >&2
        return 1
    fi
    export PYTHONPATH=${PYTHONPATH}:${ESPNET_ROOT}
    # ESPnet's own scripts read unset variables.
    case $- in *u*) _nounset=1; set +u ;; *) _nounset= ;; esac
    for _file in activate_python.sh extra_path.sh; do
        if [ -e "${ESPNET_ROOT}/tools/${_file}" ]; then
            # shellcheck source=/dev/null
            . "${ESPNET_ROOT}/tools/${_file}"
        fi
    done
    if [ -n "${_nounset}" ]; then set -u; fi
    unset _file _nounset
elif [ -x "${VENV:-${MAIN_ROOT}/.venv}/bin/python3" ]; then
    export VIRTUAL_ENV=${VENV:-${MAIN_ROOT}/.venv}
    export PATH=${VIRTUAL_ENV}/bin:${PATH}
fi

# Looks the packages up without importing them: that would take seconds.
if ! python3 -c '
import importlib.util, sys
names = "espnet2", "torchaudio", "jiwer", "espnet_plugin"
sys.exit(not all(map(importlib.util.find_spec, names)))' 2>/dev/null; then
    echo "path.sh: $(command -v python3 || echo python3) lacks ESPnet or this plugin." \
        "Run 'make env' in ${MAIN_ROOT}, or activate your ESPnet environment and run" \
        "'pip install -e .' there" >&2
    return 1
fi

# A recipe's own additions come last.
if [ -f local/path.sh ]; then
    . local/path.sh
fi
