#!/usr/bin/env bash
# ESPnet: reverberation moves the speech, and cuts off the end of the last word.
#
# With `rir_scp`, the preprocessor convolves an utterance with a room impulse response
# and keeps as many samples as the utterance had, counted from the first. In a measured
# response the direct sound comes after the time that it takes from the loudspeaker to
# the microphone and through the sound card: often tens of milliseconds. So the speech
# begins later by this delay, and as much is lost at its end.
#
# One would expect that the direct sound stays where it was, as with Kaldi, whose
# wav-reverberate moves its output by the position of the response's maximum
# (--shift-output, on by default), so that alignments and transcripts still fit. It
# matters for utterances that were cut closely (segments from an alignment): the model
# is taught to write sounds that it never heard, and time stamps learn a delay that is
# different for each response. The transcript does not show it, nor does the log.
# What helps is to cut the responses at their maximum in advance.
#
# PYTHON=p takes an environment in which ESPnet 202611 is installed; without one, ESPnet
# is installed (with PyTorch: several GB).
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
"${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import sys

import numpy as np
import soundfile

from espnet2.train.preprocessor import CommonPreprocessor

print("espnet", importlib.metadata.version("espnet"))
RATE = 16000
random = np.random.default_rng(0)
# One second; the last "word" is 60 ms long and ends with the utterance.
speech = 0.001 * random.standard_normal(RATE)
word = slice(RATE - 60 * RATE // 1000, RATE)
speech[2000:8000] += 0.1 * random.standard_normal(6000)
speech[word] += 0.1 * random.standard_normal(word.stop - word.start)
open("rir.scp", "w").write("room room.wav\n")


def reverberated(delay_ms):
    """Where the speech is afterwards, and what share of the last word is left."""
    response = np.zeros(RATE // 4)
    direct = delay_ms * RATE // 1000
    response[direct] = 1.0
    later = np.arange(1, len(response) - direct)
    tail = random.standard_normal(len(later)) * np.exp(-later / 800)
    response[direct + 1 :] = 0.01 * tail
    soundfile.write("room.wav", response, RATE, subtype="FLOAT")
    processor = CommonPreprocessor(train=True, rir_scp="rir.scp")
    given = {"speech": speech.astype(np.float32)}
    after = np.asarray(processor("utterance", given)["speech"]).ravel()
    assert len(after) == len(speech)
    spectra = np.conj(np.fft.rfft(speech, 2 * RATE)) * np.fft.rfft(after, 2 * RATE)
    moved = int(np.fft.irfft(spectra)[:RATE].argmax())
    kept = max(0, word.stop - word.start - moved) / (word.stop - word.start)
    return moved, kept


changed = False
for delay in (0, 10, 30, 60):
    moved, kept = reverberated(delay)
    print(
        f"direct sound after {delay} ms: the speech is {1000 * moved / RATE:.0f} ms "
        f"later (Kaldi: 0 ms), {100 * kept:.0f} % of the last 60 ms is left"
    )
    changed |= moved != delay * RATE // 1000
if changed:
    sys.exit("CHANGED: the speech is no longer moved by the delay of the response")
EOF
