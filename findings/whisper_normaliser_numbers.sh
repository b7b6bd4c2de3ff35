#!/usr/bin/env bash
# Whisper's English normaliser: different amounts become the same text, and the same
# amounts different texts.
#
# EnglishTextNormalizer is applied to references and recognised texts before words are
# counted (in Whisper's paper, the Open ASR leaderboard, and ESPnet's cleaner
# whisper_en), so that "ten dollars" and "$10" are not an error. One expects that what
# is then equal means the same. Not so:
# * "second", "third" and so on are joined to the number before them: "a 10 second
#   break" and "a 1 second break" are both "a 12nd break". But "ten second" is "102nd":
#   the right text with digits counts as an error.
# * A multiplier after a thousand is lost: "two thousand million" is "2000".
# * The sign of "-2" is lost, that of "minus two" is not.
# * In numbers that begin with a 1 by itself ("$1", "1.50 pounds", "1%") the unit is
#   lost: "it costs $1", "it costs 1 euro" and "it costs one" are the same. "$2" and "2
#   euros" are not. (This one has a correction in the sources, of August 2026.)
#
# It matters because Whisper writes digits, and references are often spelt out: errors in
# amounts, which are the ones that hurt, are not counted, right ones are, and no line of
# an alignment shows it, as an alignment is printed after normalisation.
#
# The file of the normaliser is used without the rest of the package (which needs
# PyTorch); what is equal after it has no errors with any scoring tool.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    jiwer==4.0.0 more-itertools==11.2.1 regex==2026.11.19
venv/bin/pip install -qq --disable-pip-version-check --no-deps openai-whisper==20250625
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import jiwer

whisper = importlib.metadata.distribution("openai-whisper")
sys.path.insert(0, str(whisper.locate_file("whisper")))

from normalizers import EnglishTextNormalizer  # noqa: E402

print("openai-whisper", whisper.version)
normalise = EnglishTextNormalizer()


def errors(reference, recognised):
    counts = jiwer.process_words(normalise(reference), normalise(recognised))
    return counts.substitutions + counts.insertions + counts.deletions


different = (
    ("a 10 second break", "a 1 second break"),
    ("two thousand million people", "two thousand people"),
    ("one thousand billion dollars", "one thousand dollars"),
    ("it is -2 degrees", "it is 2 degrees"),
    ("it costs $1", "it costs 1 euro"),
    ("it costs one dollar", "it costs one"),
    ("it costs $1.50", "it costs £1.50"),
    ("one percent of them", "one of them"),
)
same = (
    ("a ten second break", "a 10 second break"),
    ("it is minus two degrees", "it is -2 degrees"),
    ("at five thirty", "at 5:30"),
    ("point five", "0.5"),
    ("two thousand million people", "two billion people"),
)
controls = (
    ("it costs $2", "it costs 2 euros", 1),
    ("it costs ten dollars", "it costs $10", 0),
    ("two hundred million people", "two hundred people", 1),
    ("a ten minute break", "a 10 minute break", 0),
    ("nineteen ninety nine", "1999", 0),
)


def show(heading, pairs):
    print(heading)
    counted = []
    for reference, recognised in pairs:
        counted.append(errors(reference, recognised))
        texts = f'"{reference}", "{recognised}"'
        both = f'"{normalise(reference)}", "{normalise(recognised)}"'
        print(f"{counted[-1]} errors: {texts:63} become {both}")
    return counted


if any(show("Different:", different)):
    sys.exit("CHANGED: expected no errors between these")
if not all(show("The same:", same)):
    sys.exit("CHANGED: expected errors between these")
as_expected = [number for *_, number in controls]
if show("As expected:", [pair for *pair, _ in controls]) != as_expected:
    sys.exit(f"CHANGED: expected {as_expected}")
EOF
