"""A small corpus of noise in Kaldi folders, and ways to damage it."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
WORDS = "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE ZERO".split()
SETS = {"train": 14, "dev": 4, "test": 4}

__all__ = ["RATE", "SETS", "edit", "make_corpus", "path_of", "table"]


def make_corpus(root, sets=SETS):
    """Write sets of utterances of 0.6 to 1 s, three words each; return the folders."""
    rng = np.random.default_rng(0)
    (root / "wav").mkdir(parents=True)
    texts = set()
    for name, count in sets.items():
        folder = root / name
        folder.mkdir()
        tables = {"wav.scp": [], "text": [], "utt2spk": []}
        for n in range(count):
            utt = f"{name}-a-{n:02d}"
            path = root / "wav" / f"{utt}.wav"
            samples = 0.1 * rng.standard_normal(int(RATE * rng.uniform(0.6, 1.0)))
            soundfile.write(path, samples.clip(-0.9, 0.9), RATE)
            text = " ".join(rng.choice(WORDS, 3))
            while text in texts:
                text = " ".join(rng.choice(WORDS, 3))
            texts.add(text)
            for table_name, value in zip(tables, (path, text, f"{name}-a")):
                tables[table_name].append(f"{utt} {value}\n")
        for table_name, lines in tables.items():
            (folder / table_name).write_text("".join(lines))
    return [root / name for name in sets]


def table(folder, name):
    """Return a table's lines."""
    return (Path(folder) / name).read_text().splitlines(keepends=True)


def edit(folder, name, line, new):
    """Put another line, bytes or text, in the place of one (from 1)."""
    path = Path(folder) / name
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = new if isinstance(new, bytes) else new.encode()
    path.write_bytes(b"\n".join(lines))


def path_of(folder, line):
    """Return the audio file on a line of wav.scp."""
    return Path(table(folder, "wav.scp")[line - 1].split(maxsplit=1)[1].strip())
