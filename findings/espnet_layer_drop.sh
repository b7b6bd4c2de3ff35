#!/usr/bin/env bash
# ESPnet: layer_drop_rate does nothing in the Conformer and in the Transformer.
#
# Several encoders and a decoder accept layer_drop_rate (LayerDrop: whole layers are
# skipped at random during training, so that a shallower model can be cut out
# afterwards). One expects a rate of 1 to skip every layer. The Conformer encoder, the
# Transformer encoder and the Transformer decoder accept the value, build the container
# that skips layers, and then call the layers one by one without it: all layers run,
# whatever the rate. In the E-Branchformer encoder it works.
#
# It matters for studies of depth: a Conformer "trained with LayerDrop" was trained
# without it, and conclusions about LayerDrop from it are invalid. The rate is in the
# configuration and in the log all the same.
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

logging.disable(logging.WARNING)
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from espnet2.asr.encoder.e_branchformer_encoder import EBranchformerEncoder
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
layers = dict(num_blocks=4, attention_heads=2, linear_units=16, layer_drop_rate=1.0)
encoder = dict(input_size=20, output_size=16, input_layer="linear", **layers)
features, lengths = torch.randn(2, 30, 20), torch.tensor([30, 30])
encoded, text = torch.randn(2, 30, 16), torch.ones(2, 5, dtype=torch.long)
for part, inputs, known in (
    (ConformerEncoder(**encoder), (features, lengths), 4),
    (TransformerEncoder(**encoder), (features, lengths), 4),
    (EBranchformerEncoder(**encoder, cgmlp_linear_units=16), (features, lengths), 0),
    (
        TransformerDecoder(vocab_size=10, encoder_output_size=16, **layers),
        (encoded, lengths, text, torch.tensor([5, 5])),
        4,
    ),
):
    ran = []
    for layer in getattr(part, "encoders", None) or part.decoders:
        layer.register_forward_hook(lambda *call: ran.append(1))
    part.train()(*inputs)
    name = type(part).__name__
    print(f"{name}, layer_drop_rate 1, training: {len(ran)} of 4 layers ran")
    if len(ran) != known:
        sys.exit(f"CHANGED: expected that {known} run")
EOF
