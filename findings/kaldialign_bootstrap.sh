#!/usr/bin/env bash
# kaldialign: bootstrap intervals below zero, and ties that count against the better
# system.
#
# bootstrap_wer_ci() names the lower end of a 95 % interval "ci95min" and compares two
# systems by "p_s2_improv_over_s1". One expects percentiles of the samples, which never
# leave the range of the measure. One also expects that a second system which is nowhere
# worse and somewhere better improves with a probability near one.
#
# The interval is the mean +- 1.96 standard deviations: a test set with one error gets a
# negative error rate as its lower end. Samples in which both systems are equal count as
# no improvement. So if two systems differ in one utterance, the better one improves
# with "64 %" (1 - 1/e: the share of samples that contain that utterance), and two equal
# systems get 0 % both ways, where one expects a half.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check kaldialign==0.12.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import kaldialign

print("kaldialign", importlib.metadata.version("kaldialign"))
references = [["w"] * 10 for _ in range(20)]
perfect = [list(words) for words in references]
one_error = [list(words) for words in references]
one_error[3][0] = "x"

alone = kaldialign.bootstrap_wer_ci(references, one_error)
print(
    f"1 error in 200 words: {alone['wer']:.4f}, "
    f"interval {alone['ci95min']:+.4f} to {alone['ci95max']:+.4f}"
)


def improves(first, second):
    answer = kaldialign.bootstrap_wer_ci(references, first, second)
    return answer["p_s2_improv_over_s1"]


better, worse = improves(one_error, perfect), improves(perfect, one_error)
same = improves(one_error, one_error)
print(f"0 errors improve over 1 error with {better:.3f}, the other way {worse:.3f}")
print(f"a system improves over itself with {same:.3f}")
if alone["ci95min"] >= 0:
    sys.exit("CHANGED: expected an interval that begins below zero")
if not 0.6 < better < 0.7 or worse != 0 or same != 0:
    sys.exit("CHANGED: expected that ties count as no improvement")
EOF
