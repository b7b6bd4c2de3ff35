#!/usr/bin/env bash
# ESPnet: encoder: whisper cannot be imported with current releases of openai-whisper,
# and its output for an utterance depends on the padding of the batch.
#
# openai-whisper 20231106 removed the constant whisper.audio.N_MELS, because large-v3
# has 128 mel bins and the other models have 80. ESPnet's encoder still imports it, so a
# model with this encoder cannot be built with any release of the last three years. With
# the constant defined again, an encoder with random weights shows the second problem:
# neither ESPnet's nor Whisper's encoder masks attention (Whisper always sees 30 s), and
# ESPnet pads a batch with zeros. One expects that an utterance alone and in a batch has
# the same output.
#
# It matters if you train or distil with such an encoder in batches and decode one
# utterance at a time: unlike in ESPnet's Conformer, the two do not compute the same
# function.
#
# PYTHON=p takes an environment in which ESPnet 202611 is installed; without one, ESPnet
# is installed (with PyTorch: several GB). openai-whisper is installed in addition.
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
# Alone, so that ESPnet's environment stays as it is: of what it needs, ESPnet brings all
# but these. An environment of uv has no pip of its own.
pip=(python3 -m pip --python "${python}" --disable-pip-version-check)
"${pip[@]}" -qq install --no-deps --target packages \
    openai-whisper==20250625 tiktoken==0.14.0 regex==2026.11.19 more-itertools==11.2.1
PYTHONPATH=packages "${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import logging
import sys

import torch
import whisper
from whisper.model import ModelDimensions, Whisper

logging.disable(logging.WARNING)
from espnet2.asr.encoder.whisper_encoder import OpenAIWhisperEncoder

versions = [importlib.metadata.version(p) for p in ("espnet", "openai-whisper")]
print("espnet", versions[0], "openai-whisper", versions[1], "torch", torch.__version__)
try:
    OpenAIWhisperEncoder(whisper_model="tiny")
    sys.exit("CHANGED: the encoder imports")
except ImportError as error:
    print("encoder: whisper:", str(error).split(" (")[0])
    if "N_MELS" not in str(error):
        sys.exit("CHANGED: the import fails for another reason")

# With the constant, and random weights instead of a download.
torch.manual_seed(0)
small = ModelDimensions(80, 1500, 128, 2, 2, 100, 10, 128, 2, 1)
whisper.audio.N_MELS = 80
whisper.load_model = lambda *name, **options: Whisper(small)
encoder = OpenAIWhisperEncoder(whisper_model="tiny").eval()
audio = 0.1 * torch.randn(2, 64000)
audio[1, 16000:] = 0.0  # ESPnet's padding
with torch.no_grad():
    together, lengths, _ = encoder(audio, torch.tensor([64000, 16000]))
    alone, _, _ = encoder(audio[1:, :16000], torch.tensor([16000]))
frames = int(lengths[1])
change = (together[1, :frames] - alone[0, :frames]).norm() / alone[0, :frames].norm()
print(f"1 s beside 4 s: its output changes by {100 * change:.0f} % of its norm")
if change < 0.01:
    sys.exit("CHANGED: padding is masked")
EOF
