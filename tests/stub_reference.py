"""What recipes read of a reference before anything is trained: its configuration."""

import yaml

CONFIG = {
    "encoder": "conformer",
    "encoder_conf": {},
    "ctc_conf": {},
    "model_conf": {},
    "token_type": "char",
    "token_list": ["<blank>", "<unk>", "A", "<sos/eos>"],
}


def write_config(folder, **changes):
    """Write the configuration of a recogniser without weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **changes}))
