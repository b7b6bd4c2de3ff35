#!/usr/bin/env bash
# sclite: three ways in which a word in a transcript is not the word that is scored.
#
# 1. Braces are a choice: "{can / may}" is one word, and correct if either is
#    recognised. So four tokens of a text about code or typing are scored as one.
# 2. A word ends at a semicolon: "a;b" against "a;c" is correct, because what follows is
#    not read.
# 3. Case is ignored, but only in ASCII: "HELLO" equals "hello", but "Ä" does not equal
#    "ä", and "-e utf-8" does not change that.
#
# One expects words to be separated by spaces only, and one rule for case. It matters
# for transcripts with markup (code, chemistry, subtitles), and for every language
# except English: a recogniser that writes in lower case has no errors for that in
# English, but has some in German.
#
# sclite comes from Debian's package sctk, unpacked here and not installed. SCLITE=p
# takes another.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
sclite=${SCLITE:-}
if [ -z "${sclite}" ]; then
    apt-get download -qq sctk 2>/dev/null
    dpkg -x sctk_*.deb sctk
    echo "sctk $(dpkg-deb -f sctk_*.deb Version)"
    sclite=${folder}/sctk/usr/lib/sctk/bin/sclite
fi
changed=0
score() { # reference, hypothesis, words and errors that are known, options
    echo "$1 (s-1)" > ref.trn
    echo "$2 (s-1)" > hyp.trn
    "${sclite}" -i spu_id -r ref.trn trn -h hyp.trn trn "${@:4}" -o sum stdout \
        > report 2>&1 || true
    row=$(grep -m 1 'Sum/Avg' report | tr -d '|' | xargs)
    row=$(echo "${row}" | cut -d ' ' -f 3,8)
    echo "'$1' against '$2' ${*:4}: words and errors in %: ${row}"
    if [ "${row}" != "$3" ]; then
        echo "CHANGED: expected $3" >&2
        changed=1
    fi
}
score "{can / may} i" "may i" "2 0.0"
score "a;b c" "a;x c" "2 0.0"
score "HELLO" "hello" "1 0.0"
score "ÄRA" "ära" "1 100.0"
score "ÄRA" "ära" "1 100.0" -e utf-8
exit ${changed}
