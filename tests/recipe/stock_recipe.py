"""A finished recipe of ESPnet, in the layout that asr.sh leaves (stages 3 to 11)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.import_recipe import import_recipe
from espnet_plugin.recipe.stock import Overrides, find_recipe

CHARS = ["<blank>", "<unk>", "A", "B", "<space>", "<sos/eos>"]
SETS = {"train_sp": ["sp0.9-u1", "u1", "u2"], "dev": ["u3"], "test": ["u4", "u5"]}
MEAN, SPREAD, COUNT = np.array([1.0, -2.0, 0.5]), 2.0, 50.0


def table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name} {value}\n" for name, value in rows))


def write_stats(path, mean):
    path.parent.mkdir(parents=True, exist_ok=True)
    square = (mean**2 + SPREAD**2) * COUNT
    np.savez(path, count=COUNT, sum=mean * COUNT, sum_square=square)


def write_experiment(root, name, cers=(40.0,), finished=True, **changes):
    """Write what training leaves; the CERs of its epochs are in percent."""
    folder = root / "exp" / name
    folder.mkdir(parents=True)
    data = {
        part: [
            [f"dump/raw/{dset}/wav.scp", "speech", "sound"],
            [f"dump/raw/{dset}/text", "text", "text"],
        ]
        for part, dset in (("train", "train_sp"), ("valid", "dev"))
    }
    stats = "exp/asr_stats_raw_en_char_sp"
    config = {
        "token_list": CHARS,
        "token_type": "char",
        "bpemodel": None,
        "encoder": "conformer",
        "encoder_conf": {},
        "ctc_conf": {},
        "model_conf": {"ctc_weight": 1.0},
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": f"{stats}/train/feats_stats.npz"},
        "train_data_path_and_name_and_type": data["train"],
        "valid_data_path_and_name_and_type": data["valid"],
        "train_shape_file": [
            f"{stats}/train/speech_shape",
            f"{stats}/train/text_shape",
        ],
        **changes,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    lines = (
        f"{i}epoch results: [train] loss=1, time=1 second, [valid] loss=1, "
        f"cer_ctc={cer / 100}, time=1 second"
        for i, cer in enumerate(cers, 1)
    )
    (folder / "train.log").write_text("\n".join(lines) + "\n")
    state = {
        "normalize.mean": torch.tensor(MEAN, dtype=torch.float32),
        "ctc.ctc_lo.weight": torch.zeros(len(CHARS), 4),
    }
    torch.save(state, folder / "1epoch.pth")
    if finished:
        torch.save(state, folder / "valid.cer_ctc.ave.pth")
    return folder


def make_stock(tmp_path):
    """A finished recipe, the folder of its model, and where an import goes."""
    root = tmp_path / "egs2/corpus/asr1"
    for name, utts in SETS.items():
        folder = root / "dump/raw" / name
        for utt in utts:
            (root / "dump/audio").mkdir(parents=True, exist_ok=True)
            (root / f"dump/audio/{utt}.flac").write_bytes(b"fLaC")
        table(folder / "wav.scp", [(u, f"dump/audio/{u}.flac") for u in utts])
        table(folder / "text", [(u, "A B") for u in utts])
        table(folder / "utt2spk", [(u, "s") for u in utts])
        (folder / "feats_type").write_text("raw\n")
    stats = root / "exp/asr_stats_raw_en_char_sp"
    for part, name in ("train", "train_sp"), ("valid", "dev"):
        table(stats / part / "speech_shape", [(u, 16000) for u in SETS[name]])
    write_stats(stats / "train/feats_stats.npz", MEAN)
    tokens = root / "data/en_token_list/char/tokens.txt"
    tokens.parent.mkdir(parents=True)
    tokens.write_text("\n".join(CHARS) + "\n")
    exp = write_experiment(root, "asr_train_raw_en_char_sp")
    return SimpleNamespace(
        root=root, exp=exp, stats=stats, tokens=tokens, out=tmp_path / "mine/exp/taken"
    )


def refused(stock, wanted=Overrides()):
    with pytest.raises(UserError) as error:
        import_recipe(find_recipe(stock.root, wanted), stock.out)
    assert not (stock.out / "found.sh").exists()
    return str(error.value)
