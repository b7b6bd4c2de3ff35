#!/usr/bin/env bash
# pysubs2: valid WebVTT captions lose their words, or gain words that nobody said.
#
# WebVTT is what video sites and meeting services export, and captions are the usual
# source of transcripts for large training sets. pysubs2 reads it with its parser for
# SubRip, and this takes for the line of a caption's times any line that contains
# exactly two times. Word times are written into the text of a caption:
# "in<00:00:02.500> the<00:00:02.900> kitchen" has two, so that the three words are lost:
# instead there are two empty captions. Captions with one word time or with three keep
# their words, but with the times in the text.
#
# What stands before the line of times belongs to the text of the caption before,
# except for a number alone. So the identifiers of captions (services use their own,
# such as "6f1c-2/13-0") and comments (NOTE) become words.
#
# One would expect the words, and that what is not text is left out, as the standard
# says and the package webvtt-py does. It matters because no message says that anything
# was wrong, and because what is lost depends on the number of words in a line: here 3
# of 9 spoken words are missing.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check pysubs2==1.8.1 webvtt-py==0.6.0
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import pysubs2
import webvtt

versions = [importlib.metadata.version(name) for name in ("pysubs2", "webvtt-py")]
print("pysubs2", versions[0], "webvtt-py", versions[1])
FILES = {
    "times of words": """WEBVTT

00:00:00.000 --> 00:00:02.000
turn<00:00:00.400> the<00:00:00.700> light<00:00:01.200> on

00:00:02.000 --> 00:00:04.000
in<00:00:02.500> the<00:00:02.900> kitchen

00:00:04.000 --> 00:00:05.000
if<00:00:04.500> possible
""",
    "identifiers": """WEBVTT

6f1c-2/12-0
00:00:00.000 --> 00:00:02.000
<v Speaker one>turn the light on</v>

6f1c-2/13-0
00:00:02.000 --> 00:00:04.000
<v Speaker two>in the kitchen</v>

3
00:00:04.000 --> 00:00:05.000
if possible
""",
    "a comment": """WEBVTT

00:00:00.000 --> 00:00:02.000
turn the light on

NOTE checked by hand

00:00:02.000 --> 00:00:04.000
in the kitchen

00:00:04.000 --> 00:00:05.000
if possible
""",
}
SPOKEN = ["turn the light on", "in the kitchen", "if possible"]
found = {}
for name, text in FILES.items():
    with open("captions.vtt", "w") as file:
        file.write(text)
    read = [event.plaintext for event in pysubs2.load("captions.vtt")]
    found[name] = [" ".join(one.split()) for one in read]
    print(f"{name}: pysubs2 reads {found[name]}")
    other = [caption.text for caption in webvtt.read("captions.vtt")]
    print(f"{' ' * len(name)}  webvtt-py reads {other}")
    if other != SPOKEN:
        sys.exit("CHANGED: webvtt-py does not read what was spoken")
words = found["times of words"]
if "kitchen" in " ".join(words) or words.count("") != 2:
    sys.exit("CHANGED: a caption with two word times is no longer empty")
if found["identifiers"][0] != "turn the light on 6f1c-2/13-0":
    sys.exit("CHANGED: identifiers are no longer in the text")
if found["a comment"][0] != "turn the light on NOTE checked by hand":
    sys.exit("CHANGED: comments are no longer in the text")
EOF
