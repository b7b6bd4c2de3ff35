#!/usr/bin/env bash
# ESPnet: an n-gram language model never hears of the end of a sentence.
#
# `asr_inference --ngram_file` and recipes with `use_ngram: true` add the scores of a
# KenLM model to the search. ESPnet passes each token by its name, and replaces the name
# "<eos>" with KenLM's "</s>". But the token lists of ESPnet 2 end with "<sos/eos>".
# KenLM does not know this word: the end of a sentence gets the score of <unk>,
# whatever came before. The scores are also added as they come from KenLM, as logarithms
# to the base 10, while all other scores are natural logarithms: a weight of 1 is one of
# 0.43, and the default of 0.9 one of 0.39.
#
# One would expect log P(</s> | history). It matters because every hypothesis pays the
# same for its end: one that breaks off ("turn off the") costs no more than a whole
# sentence, and this is what a model with short histories knows best. A larger weight
# does not help, and no line of the log shows it. What helps is to rename </s> to
# <sos/eos> in the ARPA file (and to keep an entry for </s>, which KenLM requires), and
# a weight that is 2.3 times as large.
#
# PYTHON=p takes an environment in which ESPnet 202611 is installed; without one, ESPnet
# is installed (with PyTorch: several GB). kenlm is installed in addition.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import espnet2' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check espnet==202611
    python=venv/bin/python
fi
# Alone, so that ESPnet's environment stays as it is (one of uv has no pip of its own).
pip=(python3 -m pip --python "${python}" --disable-pip-version-check)
"${pip[@]}" -qq install --no-deps --target packages kenlm==0.3.0
PYTHONPATH=packages "${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import logging
import math
import sys

import torch

logging.disable(logging.WARNING)
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
from espnet2.legacy.nets.scorer_interface import BatchScorerInterface
from espnet2.legacy.nets.scorers.ngram import NgramFullScorer

versions = [importlib.metadata.version(name) for name in ("espnet", "kenlm")]
print("espnet", versions[0], "kenlm", versions[1])
TOKENS = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]
END = len(TOKENS) - 1
# P(</s> | a) = 0.01, P(b | a) = P(</s> | b) = 0.9: no sentence ends with "a".
GRAMS = {
    1: ["-3\t<unk>", "-99\t<s>\t0", "-1\t</s>", "-1\ta\t0", "-1\tb\t0"],
    2: ["-0.0458\t<s> a", "-2\ta </s>", "-0.0458\ta b", "-0.0458\tb </s>"],
}


def write(path, end):
    """Write an ARPA file in which the end of a sentence has this name."""
    lines = ["\\data\\"] + [f"ngram {n}={len(rows)}" for n, rows in GRAMS.items()]
    for n, rows in GRAMS.items():
        lines += ["", f"\\{n}-grams:"] + [row.replace("</s>", end) for row in rows]
        if n == 1 and end != "</s>":
            lines.append("-99\t</s>")
    text = "\n".join([*lines, "", "\\end\\", ""])
    rows = len(GRAMS[1])
    with open(path, "w") as file:
        counted = f"ngram 1={rows + 1}" if end != "</s>" else f"ngram 1={rows}"
        file.write(text.replace(f"ngram 1={rows}", counted))


class Sound(BatchScorerInterface):
    """A recogniser: first "a"; then it ends with 0.6, or says "b" with 0.4."""

    def score(self, y, state, x):
        rows = {1: [0, 0, 1, 0, 0], 2: [0, 0, 0, 0.4, 0.6], 3: [0, 0, 0, 0, 1]}
        return torch.log(torch.tensor(rows[min(len(y), 3)]) + 1e-30), None


def best(ngram, weight):
    search = BatchBeamSearch(
        scorers={"sound": Sound(), "ngram": ngram},
        weights={"sound": 1.0, "ngram": weight},
        beam_size=3,
        vocab_size=len(TOKENS),
        sos=END,
        eos=END,
        token_list=TOKENS,
    )
    found = search(torch.zeros(8, 1))[0].yseq.tolist()
    return " ".join(TOKENS[i] for i in found[1:-1])


write("model.arpa", "</s>")
write("renamed.arpa", "<sos/eos>")
ngrams = {name: NgramFullScorer(f"{name}.arpa", TOKENS) for name in ("model", "renamed")}
after_a = torch.tensor([END, TOKENS.index("a")])
given, texts = {}, {}
for name, ngram in ngrams.items():
    _, state = ngram.score(torch.tensor([END]), ngram.init_state(None), torch.zeros(1, 1))
    given[name] = float(ngram.score(after_a, state, torch.zeros(1, 1))[0][END])
    texts[name] = best(ngram, 0.9)
expected = -2 * math.log(10)
print(f"the model says ln P(</s> | a) = {expected:.3f}, and for <unk> log10 P = -3")
print(f"ESPnet adds {given['model']:.4f} for the end after 'a'; the text: {texts['model']!r}")
print(
    f"with </s> renamed to <sos/eos> it adds {given['renamed']:.4f} (log10, not ln); "
    f"the text: {texts['renamed']!r}"
)
if abs(given["model"] + 3) > 1e-3 or abs(given["renamed"] + 2) > 1e-3:
    sys.exit("CHANGED: the end is not scored as <unk>, or not with base 10")
if (texts["model"], texts["renamed"]) != ("a", "a b"):
    sys.exit("CHANGED: both models give the same text")
EOF
