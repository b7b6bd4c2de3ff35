#!/usr/bin/env bash
# ESPnet: the CTC character error rate of a batch counts what is recognised in the
# padding.
#
# Training reports cer_ctc, and recipes choose and average epochs by valid.cer_ctc. One
# expects an utterance to have the same errors in a batch as alone. But the best path is
# taken over all frames of the padded batch, although the lengths are known: what the
# model recognises in the padding after a short utterance is counted as inserted text.
# The eight utterances below are recognised without an error one at a time, and with
# errors in one batch.
#
# It matters for the choice of epochs, because this figure depends on the batch size and
# on which utterances share a batch, and for any comparison of the log with scores
# computed later.
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
import itertools
import logging
import sys

import torch
from torch.nn.utils.rnn import pad_sequence

logging.disable(logging.WARNING)
from espnet2.asr.ctc import CTC
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from espnet2.asr.espnet_model import ESPnetASRModel

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
torch.manual_seed(2)
tokens = ["<blank>", "<unk>", "a", "b", "c", "d", "<sos/eos>"]
encoder = ConformerEncoder(
    input_size=20,
    output_size=16,
    num_blocks=1,
    linear_units=16,
    attention_heads=2,
    rel_pos_type="latest",
)
parts = ["frontend", "specaug", "normalize", "preencoder", "postencoder", "decoder"]
model = ESPnetASRModel(
    vocab_size=len(tokens),
    token_list=tokens,
    encoder=encoder,
    ctc=CTC(len(tokens), 16),
    joint_network=None,
    ctc_weight=1.0,
    **dict.fromkeys(parts),
).eval()
with torch.no_grad():
    model.ctc.ctc_lo.bias[[1, 6]] = -100  # letters alone
utterances = [torch.randn(frames, 20) for frames in (100,) * 7 + (500,)]


def best_path(features):
    encoded, _ = model.encode(features[None], torch.tensor([len(features)]))
    ids = model.ctc.argmax(encoded)[0].tolist()
    return torch.tensor([n for n, _ in itertools.groupby(ids) if n])


def cer(chosen):
    speech = [utterances[n] for n in chosen]
    text = [texts[n] for n in chosen]
    _, stats, _ = model(
        pad_sequence(speech, batch_first=True),
        torch.tensor([len(each) for each in speech]),
        pad_sequence(text, batch_first=True, padding_value=-1),
        torch.tensor([len(each) for each in text]),
    )
    return stats["cer_ctc"].item()


with torch.no_grad():
    texts = [best_path(each) for each in utterances]  # so each is right
    alone = [cer([n]) for n in range(8)]
    together = cer(range(8))
print("one by one:", *(f"{each:.1%}" for each in alone))
print(f"in one batch: {together:.1%}")
if any(alone) or together < 0.01:
    sys.exit("CHANGED: expected no error alone, and errors in one batch")
EOF
