"""A made-up AN4, and a copy of its recipe, for the tests of stage 1."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "egs2/an4/encrl1"

# Speaker: number of utterances. Every second speaker is a man, as the initial says.
TRAIN = {"fash": 2, "fbbh": 1, "ffmm": 3, "mblb": 2, "mdxn": 1, "mwhw": 2}
TEST = {"fcaw": 2, "mmxg": 1}


def make_corpus(root: Path, suffix: str = "sph", marks: bool = True) -> Path:
    """Write a corpus of short tones in AN4's layout."""
    times = np.arange(1600) / 16000
    tone = 0.1 * np.sin(2 * np.pi * 440 * times)
    for part, folder, speakers in (
        ("train", "an4_clstk", TRAIN),
        ("test", "an4test_clstk", TEST),
    ):
        fileids, transcripts = [], []
        for speaker, number in speakers.items():
            (root / "wav" / folder / speaker).mkdir(parents=True)
            for index in range(number):
                name = f"an{index + 1}-{speaker}-b"
                fileids.append(f"{folder}/{speaker}/{name}")
                words = f"GO {'YES ' * index}".strip()
                transcripts.append(
                    f"<s> {words} </s> ({name})"
                    if marks and part == "train"
                    else f"{words} ({name})"
                )
                soundfile.write(
                    root / "wav" / f"{fileids[-1]}.{suffix}",
                    tone,
                    16000,
                    subtype="PCM_16",
                    format="NIST" if suffix == "sph" else None,
                )
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc" / f"an4_{part}.fileids").write_text("\n".join(fileids) + "\n")
        (root / "etc" / f"an4_{part}.transcription").write_text(
            "\n".join(transcripts) + "\n"
        )
    return root


def copy_recipe(tmp_path: Path) -> Path:
    """Make a working copy with what stage 1 needs."""
    folder = tmp_path / "an4/encrl1"
    folder.mkdir(parents=True)
    for name in ("path.sh", "db.sh", "local"):
        (folder / name).symlink_to((RECIPE / name).resolve())
    return folder


def run_data_sh(recipe, *options, **environment):
    return subprocess.run(
        ["local/data.sh", *options],
        cwd=recipe,
        env={
            **{k: v for k, v in os.environ.items() if k != "AN4"},
            "VENV": sys.prefix,
            "ESPNET_PLUGIN_ROOT": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
    )
