#!/usr/bin/env bash
# jiwer: one tab between two words does not separate them, two tabs do.
#
# jiwer's default transformation replaces every run of *two or more* white space
# characters by a space and then splits at spaces. So one tab, one no-break space or one
# line break joins two words, while two tabs separate them, and so do a tab and a space.
# One expects white space to separate words, as in str.split().
#
# It matters for transcripts that come from spreadsheets and web pages: "turn<TAB>left"
# against "turn left" has an error rate of 200 %, and with a second tab it has 0. A
# corpus with a tab in each line gets an error rate that is wrong by a few points, and
# nothing looks wrong when it is printed.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check jiwer==4.0.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import jiwer

print("jiwer", importlib.metadata.version("jiwer"))
for between, known in (
    (" ", 0),
    ("\t", 2),
    ("\t\t", 0),
    ("\u00a0", 2),
    ("\u00a0\u00a0", 0),
    ("\n", 2),
    ("\t ", 0),
):
    reference, hypothesis = f"turn{between}left", "turn left"
    rate = jiwer.wer(reference, hypothesis)
    words = len(reference.split())
    print(f"{reference!r:20} ({words} words) against {hypothesis!r}: {rate:4.0%}")
    if rate != known:
        sys.exit(f"CHANGED: expected {known:.0%}")
EOF
