#!/usr/bin/env bash
# PyTorch: the gradient of ctc_loss is only right behind a softmax.
#
# ctc_loss takes any log-probabilities, and its value is right for scores that do not sum
# to one as well. One expects the gradient of that value. PyTorch instead returns the
# gradient for the layer before the softmax: exp(log_probs) is added to it. Behind
# log_softmax this changes nothing. For scores that are not normalised, which are usual
# for CTC, it is the gradient of something else:
#
# * log-probabilities minus a weighted prior (as for hybrid models),
# * a learned penalty for the blank,
# * a log-linear mixture of two models,
# * a temperature, without normalising again.
#
# Here a weight is learned in each of these. Compared with differences of the loss, and
# with automatic differentiation of the textbook's recursion, which agree, the gradient
# has the wrong size, and for the prior and the temperature also the wrong sign: plain
# descent makes the loss larger. (torch.autograd.gradcheck finds it; trainings do not.)
#
# It matters for whoever trains such a weight, or puts it before the loss of a teacher or
# a student: normalise again, or the optimiser follows a gradient that is not there.
#
# PYTHON=p chooses the Python that makes the temporary environment, or one with PyTorch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import torch' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 torch==2.14.1
    python=venv/bin/python
fi
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import sys

import torch
import torch.nn.functional as F

print("torch", torch.__version__, "(processor)")
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
frames, tokens, target = 12, 5, [1, 2, 2, 3]
one, two = torch.log_softmax(2 * torch.randn(2, frames, tokens), -1)


def library(scores):
    lengths = torch.tensor([frames]), torch.tensor([len(target)])
    return F.ctc_loss(scores[:, None], torch.tensor([target]), *lengths, reduction="sum")


def textbook(scores):
    """The forward algorithm, with a blank (0) around each token."""
    states = [0]
    for token in target:
        states += [token, 0]
    nothing = torch.tensor(-1e9)
    alpha = [scores[0, s] if i < 2 else nothing for i, s in enumerate(states)]
    for row in scores[1:]:
        before = [nothing, nothing, *alpha]
        alpha = [
            torch.logsumexp(
                torch.stack(
                    before[i + 1 : i + 3]
                    + [before[i]] * (i > 1 and s != 0 and s != states[i - 2])
                ),
                0,
            )
            + row[s]
            for i, s in enumerate(states)
        ]
    return -torch.logsumexp(torch.stack(alpha[-2:]), 0)


def gradient(loss, scores, at):
    weight = torch.tensor(at, requires_grad=True)
    return torch.autograd.grad(loss(scores(weight)), weight)[0].item()


def difference(scores, at, step=1e-5):
    with torch.no_grad():
        up, down = (library(scores(at + change)) for change in (step, -step))
    return ((up - down) / (2 * step)).item()


prior = one.exp().mean(0).log()
blank = F.one_hot(torch.tensor(0), tokens)
cases = {
    "temperature, normalised": lambda w: torch.log_softmax(w * one, -1),
    "linear mixture": lambda w: torch.log(w * one.exp() + (1 - w) * two.exp()),
    "temperature": lambda w: w * one,
    "prior": lambda w: one - w * prior,
    "penalty for the blank": lambda w: one + w * blank,
    "log-linear mixture": lambda w: w * one + (1 - w) * two,
}
print(f"{'what the weight is':25} {'PyTorch':>9} {'textbook':>9} {'differences':>11}")
for name, scores in cases.items():
    found = gradient(library, scores, 0.3)
    right = gradient(textbook, scores, 0.3)
    measured = difference(scores, 0.3)
    print(f"{name:25} {found:9.3f} {right:9.3f} {measured:11.3f}")
    value = library(scores(0.3)).item()
    if abs(value - textbook(scores(0.3)).item()) > 1e-9 or abs(right - measured) > 1e-5:
        sys.exit("CHANGED: expected the value and the textbook's gradient to agree")
    normalised = torch.logsumexp(scores(0.3), -1).abs().max().item() < 1e-9
    if normalised != (abs(found - measured) < 1e-5):
        sys.exit("CHANGED: expected a wrong gradient for scores without normalisation")
    if name in ("temperature", "prior") and found * measured > 0:
        sys.exit(f"CHANGED: expected the wrong sign for the {name}")
EOF
