#!/usr/bin/env bash
# webvtt-py: words between "<" and ">" are lost, "&amp;" stays "&amp;", and times are whole seconds.
#
# WebVTT is the subtitle format of browsers and of many transcription services. In its
# text, "<" begins a tag and "&" an escape, so these characters are written as &lt; and
# &amp;. One expects a library to do this in both directions. webvtt-py does it in none:
#
# * A caption with the text "two < three and five > four" is written as it is, and read
#   again as "two  four": what is between the two signs has become a tag.
# * In files of others, "R&amp;D" and "AT&amp;T&nbsp;said" have these letters as text, also
#   after a conversion to SRT, which has no escapes. Scored as transcripts, each is a
#   wrong word, and "&nbsp;" joins two words.
# * caption.start_in_seconds and end_in_seconds are whole numbers: a caption from 2.25 to
#   2.75 s starts at 2 and ends at 2. Segments that are cut with them begin up to a second
#   early and end up to a second early, in the middle of a word.
#
# It matters where subtitles become training data: the audio and the words of a segment
# do not belong together any more.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check webvtt-py==0.6.0
venv/bin/python - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import sys
from pathlib import Path

import webvtt

print("webvtt-py", importlib.metadata.version("webvtt-py"))

text = "two < three and five > four"
made = webvtt.WebVTT(captions=[webvtt.Caption("00:00:01.500", "00:00:02.999", text)])
made.save("own.vtt")
again = webvtt.read("own.vtt")[0].text
print(f"written and read again: {text!r} -> {again!r}")
if again != "two  four":
    sys.exit("CHANGED: expected the words between < and > to be lost")

Path("theirs.vtt").write_text(
    "WEBVTT\n\n00:00:02.250 --> 00:00:02.750\nR&amp;D is 3 &lt; 4, AT&amp;T&nbsp;said\n"
)
theirs = webvtt.read("theirs.vtt")
theirs.save_as_srt("theirs.srt")
caption, srt = theirs[0], Path("theirs.srt").read_text()
print(f"read: {caption.text!r}; as SRT: {srt.splitlines()[2]!r}")
print("from 2.25 to 2.75 s:", caption.start_in_seconds, "to", caption.end_in_seconds)
if not {"R&amp;D", "AT&amp;T&nbsp;said"} <= {*caption.text.split()} & {*srt.split()}:
    sys.exit("CHANGED: expected the escapes in the text and in the SRT file")
if (caption.start_in_seconds, caption.end_in_seconds) != (2, 2):
    sys.exit("CHANGED: expected whole seconds")
EOF
