#!/usr/bin/env bash
# transformers: decoding CTC with skip_special_tokens=True loses double letters.
#
# A CTC model says one token for each frame; equal neighbours are one token, unless a
# blank stands between them. Wav2Vec2CTCTokenizer (wav2vec 2.0, HuBERT, WavLM, MMS) merges
# them in decode() and batch_decode(), with the token <pad> as the blank. With
# skip_special_tokens=True, which is usual for other models, one expects the same text
# without <s>, </s> and <unk>. But the blanks are special tokens too, and they are removed
# before equal neighbours are merged: "h e l _ l o" becomes "helo", one error for each
# double letter. Removed frames do not count any more in the offsets either, so that
# words of the second half of a recording seem to be in its first.
#
# The tokenizer of Parakeet in the same package merges first, and has no such errors.
#
# It matters because the loss looks like mistakes of the model: "helo", "bok", "wil". Who
# compares a model of this kind with one of another toolkit measures this option, too.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check numpy==2.3.5 transformers==5.24.0
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import json
import string
import sys
from itertools import groupby
from pathlib import Path

import transformers
from transformers import Wav2Vec2CTCTokenizer

print("transformers", transformers.__version__)
tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *string.ascii_lowercase]
Path("vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
tokenizer = Wav2Vec2CTCTokenizer("vocab.json")


def frames(text):
    """Three frames for a letter, one blank between equal ones, four after a word."""
    found = []
    for word in text.split():
        for letter, run in groupby(word):
            found += [letter] * 3 + ["<pad>", letter, letter] * (len(list(run)) - 1)
        found += ["<pad>"] * 4 + ["|"]
    return [tokens.index(token) for token in found[:-1]]


text = "the committee will meet soon in the small hall"
ids = frames(text)
plain = tokenizer.decode(ids, output_word_offsets=True)
skipped = tokenizer.decode(ids, output_word_offsets=True, skip_special_tokens=True)
batch = tokenizer.batch_decode([ids], skip_special_tokens=True)
ends = [int(one.word_offsets[-1]["end_offset"]) for one in (plain, skipped)]
print("frames: ", len(ids), "of them blank:", ids.count(0))
print("default:", plain.text, "| the last word ends with frame", ends[0])
print("skipped:", skipped.text, "| the last word ends with frame", ends[1])
if plain.text != text:
    sys.exit("CHANGED: expected the right text by default")
if skipped.text != "the comite wil met son in the smal hal" or batch != [skipped.text]:
    sys.exit("CHANGED: expected single letters with skip_special_tokens=True")
if ends[0] - ends[1] < 30:
    sys.exit("CHANGED: expected earlier offsets with skip_special_tokens=True")
EOF
