#!/usr/bin/env bash
# pyctcdecode: each word of a phrase among the hotwords is rewarded by itself.
#
# Hotwords are words that a decoder is told to expect. With the phrase "bank of america"
# one expects a reward where this phrase is recognised. pyctcdecode cuts phrases into
# words, and the phrase itself is never looked for: "of" gets the full reward anywhere,
# so that "switch off the light" loses a letter, and a text with the three words far
# apart is rewarded like one with the phrase. The result is the same as with the list
# "bank", "of", "america".
#
# It matters because lists of names and commands are full of phrases with short words
# ("point of sale", "turn it on"), and each of them makes these short words more likely
# in all sentences. The error rate of texts without a phrase rises, for no visible reason.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check pyctcdecode==0.5.0 numpy==1.26.4
venv/bin/python - <<'EOF'
import importlib.metadata
import logging
import sys

import numpy as np

logging.disable(logging.WARNING)
from pyctcdecode import build_ctcdecoder

for package in "pyctcdecode", "numpy":
    print(package, importlib.metadata.version(package))
letters = ["", " ", *"abcdefghijklmnopqrstuvwxyz"]
decoder = build_ctcdecoder(letters)


def frames(text, doubtful, share):
    """CTC output for a text; one letter is a blank instead with a probability."""
    rows = []
    for n, letter in enumerate(text):
        row = np.full(len(letters), 1e-5)
        row[letters.index(letter)] = 1 - share if n == doubtful else 1
        row[0] += share if n == doubtful else 0
        gap = np.full(len(letters), 1e-5)
        gap[0] = 1
        rows += [row / row.sum(), gap / gap.sum()]
    return np.log(np.array(rows))


# The second f of "off" is there with 70 %.
output = frames("switch off the light", 9, 0.3)
texts = {}
for hotwords in None, ("bank america",), ("bank of america",), ("bank", "of", "america"):
    texts[hotwords] = decoder.decode(output, hotwords=hotwords, hotword_weight=10.0)
    print(f"{str(hotwords):30} {texts[hotwords]}")
if texts[None] != "switch off the light" or texts["bank america",] != texts[None]:
    sys.exit("CHANGED: without the word, another text is recognised")
if texts["bank of america",] != "switch of the light":
    sys.exit("CHANGED: a word of a phrase is not rewarded by itself")


def reward(text, hotwords):
    output = frames(text, None, 0)
    with_words = decoder.decode_beams(output, hotwords=hotwords, hotword_weight=10.0)
    return with_words[0][-1] - decoder.decode_beams(output)[0][-1]


rewards = [
    reward(text, ["bank of america"])
    for text in ("the bank of america is", "america is of the bank", "of of of is the")
]
print("reward of the phrase, of its words far apart, of one word three times:", rewards)
if not rewards[0] == rewards[1] == rewards[2] > 0:
    sys.exit("CHANGED: the order of the words counts")
EOF
