#!/usr/bin/env bash
# jiwer, MeetEval, kaldialign: three answers to what an empty reference costs.
#
# An utterance in which nothing is said, and in which something is recognised, has no
# error rate: one expects an error, or one convention. jiwer returns the *number* of
# inserted words as if it were a rate (3 words: 300 %, 1 word: 100 %), MeetEval returns
# None, kaldialign infinity. Where nothing is recognised either, they say 0, None and 0.
# (MeetEval is compiled when it is installed: that needs a C compiler.)
#
# It matters for reports by utterance, by speaker and by length, and for filters such as
# "drop what is above 50 %": the mean over utterances is moved by a number of words, is
# infinite, or fails, by the tool that happens to be installed.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    jiwer==4.0.0 meeteval==0.4.3 kaldialign==0.12.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import jiwer
import kaldialign
import meeteval

for name in "jiwer", "meeteval", "kaldialign":
    print(name, importlib.metadata.version(name))
for hypothesis, known in (
    ("", (0, None, 0)),
    ("yes", (1, None, float("inf"))),
    ("yes we can", (3, None, float("inf"))),
):
    rates = (
        jiwer.wer("", hypothesis),
        meeteval.wer.wer.siso_word_error_rate("", hypothesis).error_rate,
        kaldialign.edit_distance([], hypothesis.split())["err_rate"],
    )
    print(
        f"'' against {hypothesis!r}: jiwer {rates[0]!r}, MeetEval {rates[1]!r}, "
        f"kaldialign {rates[2]!r}"
    )
    if rates != known:
        sys.exit(f"CHANGED: it was {known}")
EOF
