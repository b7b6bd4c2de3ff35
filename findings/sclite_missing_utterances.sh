#!/usr/bin/env bash
# sclite: utterances that the recogniser left out are not scored, and nothing says so.
#
# One expects an utterance of ref.trn that hyp.trn lacks to count as deleted, or the
# program to refuse, as Kaldi's compute-wer in strict mode does. sclite scores only the
# utterances of hyp.trn. The others are not counted as sentences or words either, so the
# error rate of a run that ended half-way is that of its first half. The exit status is
# 0, and nothing is printed on standard error. A whole speaker can be missing in this
# way. (The other way round, an utterance that ref.trn lacks, is an error.)
#
# It matters for every pipeline that joins the parts of several decoding jobs with cat.
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
cat > ref.trn <<'EOF'
turn the light on (ann-1)
turn it off (ann-2)
close the garden door (bob-1)
EOF
head -n 1 ref.trn > hyp.trn

status=0
"${sclite}" -i spu_id -r ref.trn trn -h hyp.trn trn -o all stdout > report 2> errors \
    || status=$?
row=$(grep -m 1 'Sum/Avg' report | tr -d '|' | xargs)
words=$(cut -d '(' -f 1 ref.trn | wc -w)
echo "reference: $(grep -c . ref.trn) utterances, ${words} words"
echo "recognised: $(cat hyp.trn)"
echo "sclite (sentences, words, Corr Sub Del Ins Err S.Err): ${row}"
echo "exit status ${status}, $(wc -c < errors) bytes on standard error"
if [ "${row}" != "Sum/Avg 1 4 100.0 0.0 0.0 0.0 0.0 0.0" ] || [ "${status}" != 0 ] \
    || [ -s errors ]; then
    echo "CHANGED: expected one sentence of 4 words, 100 % correct" >&2
    exit 1
fi
