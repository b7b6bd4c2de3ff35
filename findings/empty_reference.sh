#!/usr/bin/env bash
# jiwer and kaldialign: two different error rates for an empty reference, and no error
# message.
#
# If nothing is said in an utterance but something is recognised, there is no error
# rate. One expects an error message, or one convention. jiwer returns the *number* of
# inserted words as if it were a rate (3 words: 300 %, 1 word: 100 %), kaldialign
# returns infinity. If nothing is recognised either, both return 0.
#
# It matters for reports by utterance, by speaker and by length, and for filters such as
# "drop what is above 50 %": depending on the tool, the mean over utterances contains a
# number of words, or it is infinite.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    jiwer==4.0.0 kaldialign==0.12.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import jiwer
import kaldialign

for name in "jiwer", "kaldialign":
    print(name, importlib.metadata.version(name))
for hypothesis, known in (
    ("", (0, 0)),
    ("yes", (1, float("inf"))),
    ("yes we can", (3, float("inf"))),
):
    rates = (
        jiwer.wer("", hypothesis),
        kaldialign.edit_distance([], hypothesis.split())["err_rate"],
    )
    print(f"'' against {hypothesis!r}: jiwer {rates[0]!r}, kaldialign {rates[1]!r}")
    if rates != known:
        sys.exit(f"CHANGED: expected {known}")
EOF
