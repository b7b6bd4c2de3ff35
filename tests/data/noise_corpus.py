"""A corpus of noise in Kaldi's habit, for the tests of stage 2."""

import numpy as np
import soundfile

from espnet_plugin.data.kaldi import DataDir, write_data_dir
from espnet_plugin.files import read_pairs

RATE = 16000
SECONDS = {"a-1": 0.5, "a-2": 0.8, "b-1": 1.1}
TEXT = {"a-1": "ONE", "a-2": "TWO ONE", "b-1": "THREE"}


def noise(seconds, seed=0):
    """Make samples between -0.9 and 0.9."""
    rng = np.random.default_rng(seed)
    wave = 0.1 * rng.standard_normal(round(seconds * RATE))
    return wave.clip(-0.9, 0.9).astype(np.float32)


def make_corpus(tmp_path):
    """Write a set of three utterances; return its folder."""
    audio = {}
    for seed, (utt, seconds) in enumerate(SECONDS.items()):
        audio[utt] = str(tmp_path / f"{utt}.wav")
        soundfile.write(audio[utt], noise(seconds, seed), RATE)
    data = DataDir(audio, dict(TEXT), {utt: utt[0] for utt in audio})
    write_data_dir(tmp_path / "data" / "train", data)
    return tmp_path / "data" / "train"


def change(corpus, name, utt, value):
    """Give an utterance another value in a table of the set."""
    table = {**read_pairs(corpus / name), utt: value}
    (corpus / name).write_text("".join(f"{k} {v}\n" for k, v in table.items()))
