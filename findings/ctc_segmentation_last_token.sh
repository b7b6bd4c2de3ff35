#!/usr/bin/env bash
# ctc-segmentation: the confidence of an utterance leaves out its last token: a wrong last
# word gets the score of a perfect transcript, any other wrong word does not.
#
# determine_utterance_segments() gives each utterance of a long recording its start, its
# end and a score, which "helps to detect and filter-out bad utterances": the mean log
# probability of the worst 30 frames in a row. One expects that a wrong word lowers the
# score wherever it is, and that the end leaves room for the last word, since up to half a
# second after the last token is allowed, as much as before the first one.
#
# The end comes half a frame after the *beginning* of the last token, although a second of
# silence follows: the blank between two utterances is aligned to the frame after this
# token, and the end is the mean of both. The start is half a second before the first
# token. The frames that are scored stop before that end, and the last group of 30 frames
# is not looked at either. So in utterances of more than 30 frames the last token never
# counts. In shorter ones it depends on whether the number of its frame in the recording
# is odd or even, because 0.5 is rounded to even numbers.
#
# It matters because ESPnet and SpeechBrain cut recordings with this library, and corpora
# keep what is above a threshold. With word pieces the last token is often a whole word.
# Transcripts that end with a word that was not said, or with another one, stay in the
# training data, and the audio of the last word is cut off. Its documentation calls ends
# that are too early a matter of the model; here the model is perfect.
#
# The posteriors are made here: one frame for each token, blank in between.
#
# PYTHON=p chooses the Python that makes the temporary environment (a C compiler is
# needed where there is no wheel).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check \
    numpy==2.3.5 ctc-segmentation==1.7.5
venv/bin/python - <<'EOF'
import importlib.metadata
import sys

import numpy as np
from ctc_segmentation import (
    CtcSegmentationParameters,
    ctc_segmentation,
    determine_utterance_segments,
    prepare_token_list,
)

print("ctc-segmentation", importlib.metadata.version("ctc-segmentation"))
TOKENS, UTTERANCES, FRAME = 200, 9, 0.04


def align(length, wrong):
    """Align utterances, each with one token that is not what was said.

    Returns the scores, scores that count every token, the frames of the last tokens,
    and the ends of the utterances after them.
    """
    random = np.random.default_rng(0)
    texts = [random.integers(1, TOKENS, length) for _ in range(UTTERANCES)]
    frames, now = [], 25
    for _ in texts:
        frames.append(now + np.cumsum(random.integers(3, 6, length)))
        now = frames[-1][-1] + 25
    logits = random.normal(0, 0.5, (now, TOKENS))
    logits[:, 0] += 13
    for text, places in zip(texts, frames):
        said = text.copy()
        if wrong is not None:
            said[wrong] = text[wrong] % (TOKENS - 1) + 1
        logits[places, 0] -= 13
        logits[places, said] += 13
    posteriors = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    config = CtcSegmentationParameters(
        char_list=["_"] + [f"t{number}" for number in range(1, TOKENS)],
        index_duration=FRAME,
    )
    truth, begins = prepare_token_list(config, texts)
    timings, scores, _ = ctc_segmentation(config, posteriors, truth)
    segments = determine_utterance_segments(config, begins, scores, timings, texts)

    expected = []
    for text, places in zip(texts, frames):
        inside = np.maximum(posteriors[places[0] : places[-1] + 1, 0], -1e9)
        inside[places - places[0]] = posteriors[places, text]
        size = min(30, len(inside))
        groups = np.lib.stride_tricks.sliding_window_view(inside, size)
        expected.append(groups.mean(axis=1).min())
    last = np.array([places[-1] for places in frames])
    ends = np.array([found[1] for found in segments]) - FRAME * last
    return np.array([found[2] for found in segments]), np.array(expected), last, ends


unseen = {}
for length in (20, 4):
    print(f"\n{UTTERANCES} utterances of {length} tokens")
    for name, wrong in (
        ("no token", None),
        ("the first token", 0),
        ("a token in the middle", length // 2),
        ("the last token but one", -2),
        ("the last token", -1),
    ):
        scores, expected, last, ends = align(length, wrong)
        print(
            f"  {name} is wrong: scores {scores.min():.3f} to {scores.max():.3f} "
            f"(with every token {expected.min():.3f} to {expected.max():.3f})"
        )
        unseen[length, wrong] = int((scores > -0.01).sum()), int((expected > -0.01).sum())
    late = 1000 * ends.max()
    print(f"  the ends are {late:.0f} ms after the frame of the last token")
    if abs(late - 500 * FRAME) > 1:
        sys.exit("CHANGED: expected ends half a frame after the last token")
    perfect = scores > -0.01
    print(
        f"  a wrong last token is not seen in {perfect.sum()} of {UTTERANCES} utterances "
        f"({(last % 2 == 0).sum()} of the last tokens have an even frame)"
    )
    if length == 4 and (perfect != (last % 2 == 0)).any():
        sys.exit("CHANGED: expected that even frames do not count")

for length, wrong in unseen:
    found, expected = unseen[length, wrong]
    if expected != (UTTERANCES if wrong is None else 0):
        sys.exit("CHANGED: the expected scores are wrong")
    if wrong != -1 and found != expected:
        sys.exit(f"CHANGED: expected that token {wrong} counts")
if unseen[20, -1][0] != UTTERANCES:
    sys.exit("CHANGED: expected that the last token does not count")
EOF
