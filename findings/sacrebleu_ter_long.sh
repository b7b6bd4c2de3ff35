#!/usr/bin/env bash
# sacreBLEU: TER is far above the word error rate when words are missing at one place of a
# long recording: 64 % instead of 25 % for 200 words of which the first 50 are missing.
#
# Translation edit rate counts the same errors as the word error rate, and may also move
# groups of words for the price of one error each. So one expects that it is never above
# the word error rate, and that a perfect text without its first quarter gets 25 %.
#
# The edit distance inside it looks only at pairs of words that are less than 25 words from
# a straight line between the first pair and the last one. Missing words at one place move
# all others away from that line. Where they are further away, words are not compared with
# their partners, and count as errors. Moving does not help, because a group has at most 10
# words. The same number of missing words spread over the text gives 25 %, and texts of 40
# words are nearly right. With 400 words it is 82 % (which takes minutes to compute).
#
# It matters to those who score speech translation, or a recogniser by TER because it
# forgives word order. Recordings are often scored as a whole, because references and
# hypotheses have different segments. A recogniser that starts late or stops early then
# gets nearly the rate of one that recognised nothing, and one with more errors, but
# spread evenly, is ranked above it. There is no message.
#
# The width is _BEAM_WIDTH in sacrebleu/metrics/lib_ter.py, where it is called inspired by
# the program Tercom.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check sacrebleu==2.6.0 jiwer==4.0.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import jiwer
from sacrebleu.metrics import TER

for name in ("sacrebleu", "jiwer"):
    print(name, importlib.metadata.version(name))


def rates(reference, hypothesis):
    """Return the translation edit rate and the word error rate in percent."""
    reference, hypothesis = " ".join(reference), " ".join(hypothesis)
    edits = TER().sentence_score(hypothesis, [reference]).score
    return edits, 100 * jiwer.wer(reference, hypothesis)


def words(number):
    return [f"w{index}" for index in range(number)]


def spread(reference):
    """Leave out every fourth word."""
    return [word for index, word in enumerate(reference) if index % 4 != 3]


CASES = {
    "first quarter missing": lambda text: text[len(text) // 4 :],
    "last quarter missing": lambda text: text[: -len(text) // 4],
    "every fourth word missing": spread,
}
found = {}
for number in (40, 120, 200):
    print(f"\n{number} words")
    for name, change in CASES.items():
        found[number, name] = rates(words(number), change(words(number)))
        print(
            "  {}: TER {:.1f} %, word error rate {:.1f} %".format(
                name, *found[number, name]
            )
        )

for number in (120, 200):
    name = "every fourth word missing"
    if abs(found[number, name][0] - found[number, name][1]) > 0.1:
        sys.exit(f"CHANGED: {name}: expected equal rates")
    for name in ("first quarter missing", "last quarter missing"):
        if found[number, name][0] < found[number, name][1] + 3:
            sys.exit(f"CHANGED: {name}: expected a TER above the word error rate")
if found[200, "first quarter missing"][0] < 55:
    sys.exit("CHANGED: expected more than 55 % for a gap of a quarter")
if found[40, "first quarter missing"][0] != found[40, "first quarter missing"][1]:
    sys.exit("CHANGED: expected equal rates for 40 words")
EOF
