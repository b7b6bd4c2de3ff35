#!/usr/bin/env bash
# ESPnet: noises and room responses of another sampling rate are used at the wrong speed.
#
# `noise_scp` and `rir_scp` name files that are mixed into the training audio. The
# preprocessor has the code that converts a file to the model's rate, with a warning, and
# the one for speech enhancement passes it the rate. The one for speech recognition does
# not, although its argument `fs` may state it. So a noise at 48 kHz is played three
# times as slowly in a 16 kHz model, and one at 8 kHz twice as fast; a room's echo comes
# three times as late.
#
# One would expect the conversion, or an error. It matters because many collections of
# noises and responses come at 44.1 or 48 kHz: the babble and music that the model is to
# ignore are not what it is trained with, and nobody listens to what is mixed during
# training. The log says nothing. What helps is to convert these files in advance.
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
import logging
import sys

import numpy as np
import soundfile

from espnet2.train.preprocessor import CommonPreprocessor

print("espnet", importlib.metadata.version("espnet"))
messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
logging.getLogger().addHandler(handler)
RATE, TONE, ECHO = 16000, 1200, 0.05
random = np.random.default_rng(0)
speech = (1e-3 * random.standard_normal(RATE)).astype(np.float32)
for kind in ("noise", "rir"):
    open(f"{kind}.scp", "w").write(f"name {kind}.wav\n")


def mixed(file_rate):
    """The pitch of a tone of 1200 Hz in a noise, and the time of an echo of 50 ms."""
    seconds = np.arange(4 * file_rate) / file_rate
    soundfile.write("noise.wav", 0.1 * np.sin(2 * np.pi * TONE * seconds), file_rate)
    response = np.zeros(file_rate // 2)
    response[0], response[round(ECHO * file_rate)] = 0.9, 0.5
    soundfile.write("rir.wav", response, file_rate)
    noise = CommonPreprocessor(
        train=True, fs=RATE, noise_scp="noise.scp", noise_db_range="-20_-20"
    )
    after = np.asarray(noise("utterance", {"speech": speech})["speech"]).ravel()
    pitch = int(np.abs(np.fft.rfft(after)).argmax())
    room = CommonPreprocessor(train=True, fs=RATE, rir_scp="rir.scp")
    click = np.zeros(RATE, dtype=np.float32)
    click[100] = 0.5
    after = np.asarray(room("utterance", {"speech": click})["speech"]).ravel()
    return pitch, (int(np.abs(after[200:]).argmax()) + 100) / RATE


changed = False
for file_rate in (16000, 48000, 44100, 8000):
    pitch, echo = mixed(file_rate)
    print(
        f"files at {file_rate} Hz in a model at {RATE} Hz: the tone of {TONE} Hz has "
        f"{pitch} Hz, the echo of {1000 * ECHO:.0f} ms comes after {1000 * echo:.0f} ms"
    )
    changed |= abs(pitch - TONE * RATE / file_rate) > 2
    changed |= abs(echo - ECHO * file_rate / RATE) > 1e-3
print(f"messages in the log: {len(messages)}")
if changed or messages:
    sys.exit("CHANGED: the files are converted to the rate of the model")
EOF
