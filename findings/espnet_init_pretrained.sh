#!/usr/bin/env bash
# ESPnet: `init: xavier_uniform` erases the pre-trained weights of encoder: whisper.
#
# Many recipes set the key init of a training configuration, for the layers that start
# at random. After the model is built, ESPnet sets every matrix in it to random numbers,
# those of pre-trained parts too, every bias to zero, and then calls
# reload_pretrained_parameters() of the parts that have it. One expects that pre-trained
# weights survive. The encoders HuBERT and wav2vec 2.0 and the front end s3prl have this
# function; the encoder and the decoder for Whisper do not. None of their weights is
# left.
#
# It matters because the log of the training has a line for each bias, and none that
# says that the pre-training is lost: the model trains, and has more errors than it
# should. Leave init out with these two, or load the weights by init_param, which is
# applied afterwards.
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
printf '%s\n' '<blank>' '<unk>' a b '<sos/eos>' > tokens.txt
PYTHONPATH=packages "${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import importlib.metadata
import logging
import sys

import torch
import whisper
from whisper.model import ModelDimensions, Whisper

logging.disable(logging.WARNING)
from espnet2.asr.decoder.whisper_decoder import OpenAIWhisperDecoder
from espnet2.asr.encoder.hubert_encoder import TorchAudioHuBERTPretrainEncoder
from espnet2.asr.encoder.wav2vec2_encoder import FairSeqWav2Vec2Encoder
from espnet2.asr.frontend.s3prl import S3prlFrontend
from espnet2.tasks.asr import ASRTask

versions = [importlib.metadata.version(p) for p in ("espnet", "openai-whisper")]
print("espnet", versions[0], "openai-whisper", versions[1], "torch", torch.__version__)
# What would be downloaded: a small Whisper, the same in each call. The constant is one
# that openai-whisper no longer has.
torch.manual_seed(0)
published = Whisper(ModelDimensions(80, 1500, 64, 2, 2, 100, 10, 64, 2, 1))
for weight in published.parameters():
    torch.nn.init.normal_(weight, std=0.1)


def load_model(*name, **options):
    made = Whisper(published.dims)
    made.load_state_dict(published.state_dict())
    return made


whisper.audio.N_MELS, whisper.load_model = 80, load_model
encoder = "--encoder whisper --encoder_conf whisper_model=tiny --input_size 1"
options = "--token_list tokens.txt --normalize null --model_conf ctc_weight=1.0"
changed = False
for init in ("none", "xavier_uniform"):
    words = f"--output_dir out {options} {encoder} --init {init}".split()
    model = ASRTask.build_model(ASRTask.get_parser().parse_args(words))
    now = model.encoder.encoders.state_dict()
    names = [one for one, _ in published.encoder.named_parameters()]
    kept = [
        name
        for name in names
        if torch.equal(now[name], published.encoder.state_dict()[name])
    ]
    print(f"init: {init}: {len(kept)} of {len(names)} weights are Whisper's")
    changed |= (len(kept) == len(names)) != (init == "none")
whisper_encoder = type(model.encoder)
for part in (
    whisper_encoder,
    OpenAIWhisperDecoder,
    TorchAudioHuBERTPretrainEncoder,
    FairSeqWav2Vec2Encoder,
    S3prlFrontend,
):
    has = hasattr(part, "reload_pretrained_parameters")
    print(f"{part.__name__} is loaded again: {'yes' if has else 'no'}")
if changed or hasattr(whisper_encoder, "reload_pretrained_parameters"):
    sys.exit("CHANGED: Whisper's weights survive init")
EOF
