#!/usr/bin/env bash
# ESPnet: decoding never compares the language model's token list with the recogniser's.
#
# Both models have their token list in config.yaml, so one expects a language model with
# a different list to be refused, or its tokens to be matched by name. But tokens are
# passed to it by number. Below, the same language model (it prefers the letter "a") is
# written twice, the second time with two letters of its list exchanged and its weights
# sorted accordingly. There is no message, and with the second one the recogniser writes
# "b".
#
# It matters wherever lists of the same length are made in two runs: BPE models trained
# on two texts, or characters sorted in two ways. The word error rate rises a little,
# which looks like a language model that does not help.
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
from pathlib import Path

import numpy as np
import torch
import yaml

logging.disable(logging.CRITICAL)
from espnet2.bin.asr_inference import Speech2Text
from espnet2.tasks.asr import ASRTask
from espnet2.tasks.lm import LMTask

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
TOKENS = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]
OTHER = ["<blank>", "<unk>", "b", "a", "<sos/eos>"]
order = [TOKENS.index(token) for token in OTHER]


def args_of(task, name, tokens, **settings):
    """Write a configuration as training would; return it parsed."""
    given = {"token_list": tokens, "token_type": "char", "output_dir": name, **settings}
    path = Path(f"{name}_given.yaml")
    path.write_text(yaml.safe_dump(given))
    args = task.get_parser().parse_args(["--config", str(path)])
    Path(f"{name}.yaml").write_text(yaml.safe_dump(vars(args)))
    return args


torch.manual_seed(0)
layer = dict(output_size=8, num_blocks=1, linear_units=8, attention_heads=1)
asr = ASRTask.build_model(
    args_of(
        ASRTask,
        "asr",
        TOKENS,
        encoder="transformer",
        encoder_conf=layer,
        normalize=None,
        model_conf=dict(ctc_weight=1.0),
    )
)
with torch.no_grad():  # it hears nothing: "a" and "b" are equally likely everywhere
    asr.ctc.ctc_lo.weight.zero_()
    asr.ctc.ctc_lo.bias.copy_(torch.tensor([0.0, -9.0, 0.0, 0.0, -9.0]))
torch.save(asr.state_dict(), "asr.pth")

lm = LMTask.build_model(
    args_of(LMTask, "lm", TOKENS, lm="seq_rnn", lm_conf=dict(unit=8, nlayers=1))
)
with torch.no_grad():
    lm.lm.decoder.weight.zero_()
    lm.lm.decoder.bias.copy_(torch.tensor([-9.0, -9.0, 3.0, 0.0, 0.0]))
torch.save(lm.state_dict(), "lm.pth")
args_of(LMTask, "other", OTHER, lm="seq_rnn", lm_conf=dict(unit=8, nlayers=1))
state = dict(lm.state_dict())
for name in "lm.encoder.weight", "lm.decoder.weight", "lm.decoder.bias":
    state[name] = state[name][order]
torch.save(state, "other.pth")

speech = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
texts = {}
for name in "lm", "other":
    recogniser = Speech2Text(
        "asr.yaml",
        "asr.pth",
        lm_train_config=f"{name}.yaml",
        lm_file=f"{name}.pth",
        ctc_weight=1.0,
        lm_weight=1.0,
        beam_size=3,
    )
    texts[name] = recogniser(speech)[0][0]
    listed = yaml.safe_load(Path(f"{name}.yaml").read_text())["token_list"][2:4]
    print(f"language model that lists {' '.join(listed)}: recognised {texts[name]}")
more_a = {name: text.count("a") > text.count("b") for name, text in texts.items()}
if more_a != {"lm": True, "other": False}:
    sys.exit("CHANGED: expected a's, and b's with the list in another order")
EOF
