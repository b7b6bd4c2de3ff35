#!/usr/bin/env bash
# What the tests of the browser's page need: Chromium with its driver, Node.js with npm.
# Installs what is missing where that is possible (Debian, as root). Exit status 0: all of
# it is there; 1: it is not, and those tests are skipped.
set -euo pipefail

has_all() {
    command -v chromedriver node npm >/dev/null \
        && { command -v chromium || command -v chromium-browser \
            || command -v google-chrome; } >/dev/null
}

missing() {
    command -v chromedriver >/dev/null || echo chromium chromium-driver
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
}

log() { echo "browser: $*" >&2; }

if has_all; then exit 0; fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    log "no browser and no right to install one: its tests are skipped"
    exit 1
fi
log "installing $(missing | xargs)"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2046
if timeout 600 bash -c 'apt-get -qq update && apt-get -qq install -y \
    --no-install-recommends "$@" >/dev/null' _ $(missing) && has_all; then
    exit 0
fi
log "Chromium could not be installed (see above): its tests are skipped"
exit 1
