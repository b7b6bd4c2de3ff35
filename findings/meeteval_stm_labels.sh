#!/usr/bin/env bash
# MeetEval: the labels and notation of valid STM references are counted as words.
#
# STM is the format of NIST's references: recording, channel, speaker, begin, end, an
# optional label such as <o,f0,male>, and the text. sclite, for which the format was
# made, leaves the label out of the text, does not score a segment whose text is
# IGNORE_TIME_SEGMENT_IN_SCORING, takes "{ a / b }" as two ways to say the same, and lets
# a recogniser leave out or write a word in parentheses. The references of TED-LIUM have
# such labels and segments, those of NIST's evaluations have all of it.
#
# MeetEval reads STM ("meeteval-wer cpwer -r ref.stm -h hyp.stm"), and takes all that
# follows the times as words. A label is one more word in each segment, the marker is
# a word that nobody recognises, and the braces and both alternatives are words. A
# hypothesis without any error gets 0 % by the format, and here 11 to 33 %. There
# is no warning.
#
# It matters because the rate looks like a bad recogniser, not like a bad file, because
# labels in the references alone are deletions in every segment (the shorter the segments
# the more), and because systems are compared in papers by such a rate.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 meeteval==0.4.3
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

from meeteval.io import STM
from meeteval.wer import combine_error_rates, cpwer

print("meeteval", importlib.metadata.version("meeteval"))
HYPOTHESIS = [(0, 2, "turn the light on"), (2, 4, "in the kitchen"), (4, 5, "please")]
REFERENCES = {
    "plain": ["turn the light on", "in the kitchen", "please"],
    "labels": [
        "<o,f0,female> turn the light on",
        "<o,f0,female> in the kitchen",
        "<o,f0,female> please",
    ],
    "a segment that is not scored": [
        "turn the light on",
        "in the kitchen",
        "IGNORE_TIME_SEGMENT_IN_SCORING",
    ],
    "alternatives": ["turn the { lights / light } on", "in the kitchen", "please"],
    "an optional word": ["turn the light on", "in the kitchen (uh)", "please"],
}


def stm(texts):
    times = [(begin, end) for begin, end, _ in HYPOTHESIS]
    return STM.parse(
        "".join(
            f"talk 1 speaker {begin:.2f} {end:.2f} {text}\n"
            for (begin, end), text in zip(times, texts)
        )
    )


hypothesis = stm([text for *_, text in HYPOTHESIS])
errors = {}
for name, texts in REFERENCES.items():
    result = combine_error_rates(cpwer(stm(texts), hypothesis))
    errors[name] = result.errors
    print(
        f"{name}: {result.errors} errors in {result.length} words, "
        f"{100 * result.error_rate:.1f} % (0 by the format)"
    )
if errors.pop("plain") != 0:
    sys.exit("CHANGED: errors in a plain reference")
for name, count in errors.items():
    if count == 0:
        sys.exit(f"CHANGED: {name}: no error is counted")
EOF
