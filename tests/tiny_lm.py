"""Tiny random language models of ESPnet and a few sentences, for the tests."""

from pathlib import Path

import torch
import yaml

TOKENS = ["<blank>", "<unk>", "<space>", *"ABCDEFGH", "<sos/eos>"]
SENTENCES = {
    "u1": "A BAD CAB",
    "u2": "FED",
    "u3": "A DEAF HAG HAD A BED",
    "u4": "EBB",
    "u5": "ADD A BEAD",
    "u6": "FACE",
}
CONF = {"embed_unit": 6, "att_unit": 8, "head": 2, "unit": 12, "layer": 2}


def write_text(path: Path, sentences=None) -> Path:
    """Write a Kaldi ``text``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = SENTENCES if sentences is None else sentences
    path.write_text("".join(f"{name} {text}\n" for name, text in table.items()))
    return path


def write_tokens(path: Path, tokens=None) -> Path:
    """Write a token list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{token}\n" for token in tokens or TOKENS))
    return path


def build_tiny_lm(folder: Path, lm="transformer", conf=None, tokens=None) -> Path:
    """Write an experiment folder as ESPnet's training does, with random weights."""
    from espnet2.tasks.lm import LMTask

    tokens_txt = write_tokens(folder / "tokens.txt", tokens)
    options = {
        "token_list": str(tokens_txt),
        "token_type": "char",
        "lm": lm,
        "lm_conf": CONF if conf is None else conf,
        "output_dir": str(folder),
        "ngpu": 0,
    }
    given = folder / "given.yaml"
    given.write_text(yaml.safe_dump(options))
    args = LMTask.get_parser().parse_args(["--config", str(given)])
    torch.manual_seed(0)
    model = LMTask.build_model(args)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "valid.loss.ave.pth")
    return folder
