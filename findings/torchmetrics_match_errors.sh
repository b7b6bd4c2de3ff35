#!/usr/bin/env bash
# torchmetrics: match error rate and word information are wrong once words are both
# inserted and deleted.
#
# The match error rate is (S + D + I) / (H + S + D + I): the share of aligned pairs that
# are errors. The word information preserved is H / N times H / P, with N words in the
# reference and P in the hypothesis, and what is lost is the rest. All need H, the number
# of words recognised correctly. torchmetrics counts only the edit distance and takes
# the longer of the two texts for the number of pairs: H is "longest minus errors".
# That holds only if an utterance has no insertions or no deletions. One that has
# both has more pairs than its longer text has words.
#
# "turn the light on" recognised as "please turn the light" has three of four words
# right, but counts as two: a match error rate of 50 % instead of 40 %, and 75 % of
# the information lost instead of 44 %. With random errors of 10 % substitutions, 10 %
# deletions and 10 % insertions, 43 % of the information is lost instead of 36 to 37 %
# (alignments with equally few errors differ a little in H). Word and character error
# rates need no H and are right.
#
# It matters because these measures are recommended for noisy speech, where the word error
# rate exceeds 100 %, and because the two packages that compute them, this one in
# training loops and jiwer in scoring scripts, disagree without a message. The numbers
# are compared below with jiwer and with a count of their own.
#
# PYTHON=p chooses the Python that makes the temporary environment (with PyTorch: several
# GB; or PYTHON has torchmetrics and jiwer already).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import torchmetrics, jiwer' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check \
        numpy==2.3.5 torch==2.14.1 torchmetrics==1.9.0 jiwer==4.0.0
    python=venv/bin/python
fi
"${python}" -W ignore - <<'EOF'
import importlib.metadata
import random
import sys

import jiwer
from torchmetrics.functional import text

for name in "torchmetrics", "jiwer":
    print(name, importlib.metadata.version(name))
random.seed(0)
WORDS = [f"w{number}" for number in range(500)]


def hits_and_errors(reference, hypothesis):
    """Of the alignments with the fewest errors, the one with the most hits."""
    # (errors, minus the hits): the smallest pair is the best
    row = [(column, 0) for column in range(len(hypothesis) + 1)]
    for number, word in enumerate(reference, 1):
        above, row = row, [(number, 0)]
        for column, other in enumerate(hypothesis, 1):
            errors, hits = above[column - 1]
            pair = (errors, hits - 1) if word == other else (errors + 1, hits)
            deleted = (above[column][0] + 1, above[column][1])
            inserted = (row[-1][0] + 1, row[-1][1])
            row.append(min(pair, deleted, inserted))
    return -row[-1][1], row[-1][0]


def counted(references, hypotheses):
    """Match error rate, information lost and word error rate by definition, in %."""
    pairs = [(r.split(), h.split()) for r, h in zip(references, hypotheses)]
    counts = [hits_and_errors(*pair) for pair in pairs]
    hits, errors = (sum(column) for column in zip(*counts))
    spoken, recognised = (sum(map(len, side)) for side in zip(*pairs))
    lost = 1 - hits / spoken * hits / recognised
    return [100 * x for x in (errors / (hits + errors), lost, errors / spoken)]


def of_torchmetrics(references, hypotheses):
    measures = text.match_error_rate, text.word_information_lost, text.word_error_rate
    return [100 * measure(hypotheses, references).item() for measure in measures]


def of_jiwer(references, hypotheses):
    output = jiwer.process_words(references, hypotheses)
    return [100 * x for x in (output.mer, output.wil, output.wer)]


def disturbed(words, kinds):
    """Words with errors of the given kinds, 10 % each."""
    heard = []
    for word in words:
        if "i" in kinds and random.random() < 0.1:
            heard.append(random.choice(WORDS))
        draw = random.random()
        if "d" in kinds and draw < 0.1:
            continue
        wrong = "s" in kinds and 0.1 <= draw < 0.2
        heard.append(random.choice(WORDS) if wrong else word)
    return heard


spoken = [random.choices(WORDS, k=20) for _ in range(200)]
cases = {"one utterance": (["turn the light on"], ["please turn the light"])}
kinds = {"substitutions": "s", "deletions": "d", "insertions": "i", "all": "sdi"}
for name, letters in kinds.items():
    references = [" ".join(words) for words in spoken]
    hypotheses = [" ".join(disturbed(words, letters)) for words in spoken]
    cases[name] = references, hypotheses
found = {}
for name, (references, hypotheses) in cases.items():
    found[name] = [
        of(references, hypotheses) for of in (of_torchmetrics, of_jiwer, counted)
    ]
    print(f"{name}:")
    rows = zip(("torchmetrics", "jiwer", "by definition"), found[name])
    for source, (match, lost, words) in rows:
        print(
            f"  {source:13} match error rate {match:5.1f} %, information lost "
            f"{lost:5.1f} %, word error rate {words:5.1f} %"
        )

for name, (ours, other, right) in found.items():
    if any(abs(a - b) > 1.5 for a, b in zip(other, right)):
        sys.exit(f"CHANGED: {name}: jiwer is not what the definition says")
    if abs(ours[2] - right[2]) > 0.01:
        sys.exit(f"CHANGED: {name}: the word error rates differ as well")
for name in "substitutions", "deletions", "insertions":
    ours, _, right = found[name]
    if abs(ours[1] - right[1]) > 0.5:
        sys.exit(f"CHANGED: {name} alone differ too")
for name in "one utterance", "all":
    ours, other, _ = found[name]
    if ours[0] < other[0] + 0.5 or ours[1] < other[1] + 3:
        sys.exit(f"CHANGED: {name}: torchmetrics counts the correct words")
EOF
