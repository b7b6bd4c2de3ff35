#!/usr/bin/env bash
# CMU AN4 to data/{train,dev,test}. Where no folder is given, the corpus is downloaded.
#   local/data.sh [--an4 DIR] [--dev_speakers N] [--transcribed_speakers N]
#                 [--download_dir DIR] [--output_dir DIR]
# DIR is the unpacked corpus with etc/ and wav/, SPHERE or FLAC; AN4 in db.sh by default.
set -euo pipefail
. ./path.sh
. ./db.sh

an4=${AN4}
download_dir=downloads
options=()
while [ $# -gt 0 ]; do
    if [ $# -lt 2 ]; then
        echo "local/data.sh: $1 needs a value, and nothing goes without an option" >&2
        exit 2
    fi
    case $1 in
        --an4) an4=$2 ;;
        --download_dir) download_dir=$2 ;;
        --dev_speakers | --transcribed_speakers | --output_dir) options+=("$1" "$2") ;;
        *)
            echo "local/data.sh: option $1 is unknown: choose among --an4," \
                "--dev_speakers, --transcribed_speakers, --download_dir and --output_dir" >&2
            exit 2
            ;;
    esac
    shift 2
done

if [ -z "${an4}" ]; then
    python3 -m espnet_plugin.bin.download_an4 --download_dir "${download_dir}"
    an4=${download_dir}/an4
fi
exec python3 -m espnet_plugin.bin.prepare_an4 \
    --an4 "${an4}" ${options[@]+"${options[@]}"}
