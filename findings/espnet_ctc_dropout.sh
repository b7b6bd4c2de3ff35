#!/usr/bin/env bash
# ESPnet: the CTC loss is random in evaluation mode too.
#
# ctc_conf has a dropout_rate. After model.eval() one expects no dropout anywhere, as in
# every torch module. The CTC head calls torch.nn.functional.dropout without passing the
# mode, and that function applies dropout by default. So with the same weights the same
# utterance has a different loss each time, also in validation. Recognition is not
# affected (it uses another method), so nothing else shows the problem.
#
# It matters wherever losses are compared: early stopping and "best epoch" by
# valid.loss_ctc depend on random numbers, and a search for the layer whose removal
# costs least finds a different layer in each run.
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
from espnet2.asr.ctc import CTC

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
torch.manual_seed(0)
frames, text = torch.randn(1, 50, 64), torch.tensor([[1, 2, 3, 4]])
lengths, text_lengths = torch.tensor([50]), torch.tensor([4])
different = {}
for rate in 0.0, 0.1:
    ctc = CTC(odim=10, encoder_output_size=64, dropout_rate=rate).eval()
    with torch.no_grad():
        losses = [ctc(frames, lengths, text, text_lengths).item() for _ in range(4)]
        outputs = [ctc.log_softmax(frames) for _ in range(4)]
    different[rate] = len(set(losses))
    print(f"dropout_rate {rate}, eval(): losses", *(f"{loss:.3f}" for loss in losses))
    if not all(torch.equal(outputs[0], each) for each in outputs):
        sys.exit("CHANGED: expected no dropout in log_softmax()")
if different != {0.0: 1, 0.1: 4}:
    sys.exit("CHANGED: expected a different loss each time with 0.1")
EOF
