#!/usr/bin/env bash
# sclite: its alignment is not the one of fewest errors, so its error rate may be
# higher.
#
# The word error rate is the least number of substitutions, deletions and insertions
# over the words of the reference; jiwer and kaldialign count that, and one expects it
# of NIST's program. sclite minimises a cost instead: 4 for a substitution, 3 for a
# deletion or an insertion. Below, five substitutions (cost 20) are the fewest errors,
# but three deletions, three insertions and two words that are right are cheaper (18):
# six errors are reported instead of five, 75.0 % instead of 62.5 %. The reported rate
# is never lower than the WER, and rarely higher: only with many errors and repeated
# words.
#
# It matters when figures are compared: a paper that used sclite and a table made with
# jiwer differ although models and texts are the same.
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
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check jiwer==4.0.0
venv/bin/python - "${sclite}" <<'EOF'
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import jiwer

print("jiwer", importlib.metadata.version("jiwer"))
reference = "one two three four five go now please"
hypothesis = "three five one one one go now please"
Path("ref.trn").write_text(f"{reference} (s-1)\n")
Path("hyp.trn").write_text(f"{hypothesis} (s-1)\n")
options = "-i spu_id -r ref.trn trn -h hyp.trn trn -o rsum stdout".split()
report = subprocess.run([sys.argv[1], *options], capture_output=True, text=True).stdout
row = next(line for line in report.splitlines() if "Sum" in line)
# Sentences, words, Corr, Sub, Del, Ins, Err, S.Err
_, words, _, sub, dele, ins, errors, _ = map(int, row.replace("|", " ").split()[1:])
print(f"sclite: {words} words, {sub} sub, {dele} del, {ins} ins: {errors / words:.1%}")
best = jiwer.process_words(reference, hypothesis)
print(
    f"jiwer:  {words} words, {best.substitutions} sub, {best.deletions} del, "
    f"{best.insertions} ins: {best.wer:.1%}"
)
if (sub, dele, ins, best.wer) != (0, 3, 3, 0.625):
    sys.exit("CHANGED: expected 3 del and 3 ins by sclite, 62.5 % by jiwer")
EOF
