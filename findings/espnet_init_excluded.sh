#!/usr/bin/env bash
# ESPnet: init_param that leaves out layer 1 leaves out layers 10, 11, ... as well.
#
# The fourth part of `init_param: FILE:SOURCE:TARGET:EXCLUDED` names what is not loaded.
# One would expect that encoder.encoders.1 is one module, as it is for freeze_param.
# But EXCLUDED is compared with the beginning of each name: of an encoder with 17
# layers, 1 and 10 to 16 stay random. SOURCE is also a beginning: with
# ignore_init_mismatch the names that do not fit are dropped; without, loading fails.
#
# It matters because nothing is logged: the training starts with eight random layers
# where one was meant to be, and has more errors than it should. A full stop at the end
# (encoder.encoders.1.) helps.
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

import torch

messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

logging.getLogger().addHandler(handler)
print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
LAYERS = 17


def model(seed):
    torch.manual_seed(seed)
    sizes = dict(output_size=8, attention_heads=1, linear_units=8, num_blocks=LAYERS)
    made = torch.nn.Module()
    made.encoder = TransformerEncoder(8, **sizes)
    return made


trained = model(0)
torch.save(trained.state_dict(), "trained.pth")


def random_layers(excluded):
    """The numbers of the layers that are not those of the file."""
    started = model(1)
    load_pretrained_model(f"trained.pth:::{excluded}", started, False)
    pairs = zip(started.encoder.encoders, trained.encoder.encoders)
    names = "feed_forward.w_1.weight"
    return [
        n
        for n, (ours, theirs) in enumerate(pairs)
        if not torch.equal(ours.get_parameter(names), theirs.get_parameter(names))
    ]


messages.clear()
found = {one: random_layers(one) for one in ("encoder.encoders.1", "encoder.encoders.1.")}
for excluded, layers in found.items():
    print(f"of {LAYERS} layers, EXCLUDED {excluded} leaves random: {layers}")
print(f"messages in the log: {len(messages)}")
if list(found.values()) != [[1, *range(10, LAYERS)], [1]] or messages:
    sys.exit("CHANGED: only layer 1 is left out, or the log tells what is")
EOF
