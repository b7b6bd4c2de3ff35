#!/usr/bin/env bash
# Make the environment the recipes and the tests run in: Python 3.12 or 3.13, ESPnet and
# this plugin. Safe to call again: it returns at once when nothing changed, and carries on
# where an interrupted installation stopped.
#
#   VENV=dir         where (default: .venv in the repository; a venv of yours is used)
#   PYTHON=program   make it from this Python instead of one found here
#   MIN_FREE_GB=10   refuse to install with less free space
#
# `.ci/environment.sh --find_python` only prints the Python it would use.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${VENV:-${root}/.venv}
min_free_gb=${MIN_FREE_GB:-10}
stamp=${venv}/.espnet_plugin_stamp
bootstrap=${venv}.uv

log() { echo "environment: $*" >&2; }
die() { echo "environment: error: $*" >&2; exit 1; }

# A program that is on PATH may still not run (pyenv's shims), so run it. Some Pythons
# were built without the libraries that packages need.
is_suitable() {
    [ -n "$1" ] && "$1" -c 'import ctypes, ssl, sys, zlib
sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' </dev/null >/dev/null 2>&1
}

runs() { "$@" </dev/null >/dev/null 2>&1; }

find_python() {
    local name path
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "${PYTHON}" || die "PYTHON=${PYTHON} is not a working Python" \
            "3.12 or 3.13 ($("${PYTHON}" --version 2>&1 </dev/null | head -n 1 || true));" \
            "give another one, or leave PYTHON unset to search"
        echo "${PYTHON}"
        return
    fi
    for name in python3.12 python3.13 python3 python; do
        while IFS= read -r path; do
            if is_suitable "${path}"; then
                echo "${path}"
                return
            fi
        done < <(type -aP "${name}")
    done
    for path in "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/3.1[23]*/bin/python; do
        if is_suitable "${path}"; then
            echo "${path}"
            return
        fi
    done
}

find_uv() {
    local path
    while IFS= read -r path; do
        if runs "${path}" --version; then
            echo "${path}"
            return
        fi
    done < <(type -aP uv; echo "${bootstrap}/bin/uv")
    # Any Python will do to fetch uv, also one that is too old for ESPnet.
    while IFS= read -r path; do
        runs "${path}" --version || continue
        rm -rf "${bootstrap}"
        if runs "${path}" -m venv "${bootstrap}" \
            && runs "${bootstrap}/bin/python" -m pip install uv \
            && runs "${bootstrap}/bin/uv" --version; then
            echo "${bootstrap}/bin/uv"
            return
        fi
    done < <(echo "$1"; type -aP python3 python)
    rm -rf "${bootstrap}"
}

check_disk() {
    local folder=${venv} free_kb
    # A change of setup.py does not fetch everything again.
    if runs "${venv}/bin/python" -c 'import importlib.util as u, sys
sys.exit(not (u.find_spec("torch") and u.find_spec("espnet2")))'; then
        return
    fi
    while [ ! -d "${folder}" ]; do folder=$(dirname "${folder}"); done
    free_kb=$(df -Pk "${folder}" | awk 'NR == 2 {print $4}')
    if [ "$((free_kb / 1024 / 1024))" -lt "${min_free_gb}" ]; then
        die "only $((free_kb / 1024 / 1024)) GB free for ${venv}, ESPnet with PyTorch" \
            "takes 6 GB and as much while it is fetched: free ${min_free_gb} GB," \
            "or choose another disk with VENV=dir"
    fi
}

make_venv() {
    local uv=$1 python=$2
    if is_suitable "${venv}/bin/python"; then
        return
    fi
    if [ -d "${venv}" ] && [ -n "$(ls -A "${venv}")" ]; then
        # Only the folder in the repository is ours to replace.
        [ "${venv}" = "${root}/.venv" ] || die "VENV=${venv} is not an environment with" \
            "a working Python 3.12 or 3.13: give a new folder, or another environment"
        log "${venv} has no working Python 3.12 or 3.13: making it anew"
        rm -rf "${venv}"
    fi
    log "making ${venv} with ${python:-a Python 3.12 that uv fetches}"
    if [ -n "${uv}" ]; then
        "${uv}" venv --quiet --python "${python:-3.12}" "${venv}" || die "no Python 3.12" \
            "or 3.13 works here and uv could not fetch one: install one (for" \
            "example 'pyenv install 3.12') and give it with PYTHON=program"
    elif [ -n "${python}" ]; then
        "${python}" -m venv "${venv}" || die "${python} -m venv failed: install its" \
            "venv module (Debian: python3-venv), or uv, or set PYTHON=program"
    else
        die "no Python 3.12 or 3.13 found and none can be fetched without uv: install" \
            "one and give it with PYTHON=program"
    fi
}

# An editable installation points at one folder: a second checkout that installs itself
# into the same environment takes the first one's users along without their knowledge.
check_owner() {
    local other
    # One that is copied together with its checkout is the copy's own.
    [ -n "${VENV:-}" ] || [ -L "${venv}" ] || return 0
    is_suitable "${venv}/bin/python" || return 0
    other=$(cd / && unset PYTHONPATH && "${venv}/bin/python" -c '
import importlib.util as u
found = u.find_spec("espnet_plugin")
print(found.origin or "" if found else "")' 2>/dev/null </dev/null || true)
    other=${other%/espnet_plugin/__init__.py}
    case ${other} in
        "" | "${root}" | */site-packages) return 0 ;;
    esac
    [ -d "${other}" ] || return 0  # moved or deleted: nobody uses it
    if [ -z "${VENV:-}" ]; then
        die "${venv} is a link to an environment that has the plugin of ${other}" \
            "installed, which this would point at ${root} for everyone who uses it:" \
            "remove the link, or name the environment with VENV=dir if that is wanted"
    fi
    log "WARNING: ${venv} had the plugin of ${other}; from now on it has that of" \
        "${root}, for everyone who uses it (make env there takes it back)"
}

install_packages() {
    local uv=$1 attempt
    local packages=(-c constraints.txt "espnet[asr]==202611" -e ".[demo,test,plots,docs]")
    # A slow mirror is no reason to fail: uv gives up after 30 seconds otherwise.
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-300}
    for attempt in 1 2; do
        if [ -n "${uv}" ]; then
            "${uv}" pip install --python "${venv}/bin/python" "${packages[@]}" && return
        else
            runs "${venv}/bin/python" -m pip --version \
                || "${venv}/bin/python" -m ensurepip || return 1
            "${venv}/bin/python" -m pip install --quiet "${packages[@]}" && return
        fi
        log "installation attempt ${attempt} failed"
    done
    return 1
}

wanted_stamp() {
    # The root as well: an editable installation points at this very folder.
    { echo "${root}"; cat setup.py constraints.txt .ci/environment.sh; } | cksum
}

main() {
    local python uv started=${SECONDS}
    cd "${root}"
    case ${venv} in /*) ;; *) die "VENV=${venv} must be an absolute path" ;; esac
    if [ "${1:-}" = --find_python ]; then
        python=$(find_python) || exit 1
        [ -n "${python}" ] || die "no working Python 3.12 or 3.13 found: install one" \
            "and give it with PYTHON=program"
        echo "${python}"
        return
    fi
    if [ -f "${stamp}" ] && [ "$(cat "${stamp}")" = "$(wanted_stamp)" ] \
        && runs "${venv}/bin/python" --version; then
        return
    fi
    # `|| exit`: a failure inside $( ) ends only that sub-shell.
    check_owner
    python=$(find_python) || exit 1
    check_disk
    uv=$(find_uv "${python}") || exit 1
    make_venv "${uv}" "${python}"
    log "installing ESPnet and the plugin with ${uv:-pip} (some minutes, 6 GB)"
    install_packages "${uv}" || die "the packages could not be installed (see above):" \
        "check the network and the package index, then run this again"
    "${venv}/bin/python" -c 'import espnet2, torchaudio, espnet_plugin' || die \
        "the installation in ${venv} does not work: delete it and run this again"
    wanted_stamp >"${stamp}"
    log "ready after $((SECONDS - started)) s: ${venv}"
}

main "$@"
