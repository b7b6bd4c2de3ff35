#!/usr/bin/env python3
"""Error rates with and without contextual words, in pairs on the same utterances.

    python benchmarks/hotwords.py EXP --dev_dir dump/raw/dev --test_dir dump/raw/test \
        --train_text dump/raw/train_sp/text --weights 0.25 0.5 1 2

For each weight on dev, then with the best of them on test: the word error rate of the
best path, of the beam search, and of the beam search with contextual words; the
difference that the words make, with its 95 % interval over whole utterances; and the
same of the utterances in which a listed phrase was said, and of all others, where it
can only do harm.

The list of a set holds what a user could know in advance: of AN4 the names that are
spelled, "P I T T S B U R G H", which are utterances of single letters alone.
``--distractors`` adds a number of such names from the training transcripts that nobody
says in the set. For another corpus, give a list with ``--hotwords FILE``.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.files import read_pairs
from espnet_plugin.recognise.audio import AudioReader
from espnet_plugin.recognise.ctc_model import CtcModel
from espnet_plugin.recognise.hotwords import Phrase, read_hotwords
from espnet_plugin.recognise.load import load_model
from espnet_plugin.recognise.recogniser import Recogniser, SearchOptions
from espnet_plugin.score.bootstrap import paired_bootstrap
from espnet_plugin.score.values import Score
from espnet_plugin.score.wer import score_texts

_LEAST_LETTERS = 3


class Remembered:
    """A model that computes the posteriors of an utterance once."""

    def __init__(self, model: CtcModel):
        self._model, self._known = model, {}

    def __getattr__(self, name):
        return getattr(self._model, name)

    def log_posteriors(self, samples: np.ndarray) -> np.ndarray:
        """Return those of the model."""
        key = samples.tobytes()
        if key not in self._known:
            self._known[key] = self._model.log_posteriors(samples)
        return self._known[key]


def spelled(texts) -> set[str]:
    """Return the transcripts that are single letters alone, at least three."""
    return {
        " ".join(text.split())
        for text in texts
        if len(text.split()) >= _LEAST_LETTERS
        and all(len(w) == 1 for w in text.split())
    }


def list_of(references: dict[str, str], args) -> list[str]:
    """Return the phrases of a set: its own, and others that are not said in it."""
    if args.hotwords is not None:
        return [phrase.text for phrase in read_hotwords(args.hotwords)]
    own = spelled(references.values())
    others = sorted(spelled(read_pairs(args.train_text).values()) - own)
    random.Random(0).shuffle(others)
    if not own:
        raise UserError("no transcript is a spelled name: give --hotwords FILE")
    return sorted(own) + others[: args.distractors]


def recognise(recogniser: Recogniser, audio: dict[str, np.ndarray]) -> dict[str, str]:
    """Return the text of each utterance."""
    return {
        name: recogniser.search(samples).alternatives[0].text
        for name, samples in audio.items()
    }


def difference(one: Score, other: Score, names: set[str]) -> dict:
    """Compare two scores on some of the utterances."""
    pairs = [
        (a, b) for a, b in zip(one.utterances, other.utterances) if a.name in names
    ]
    first, second = ([item.words.errors for item in side] for side in zip(*pairs))
    words = [a.words.reference for a, _ in pairs]
    found = paired_bootstrap(first, second, words)
    return {
        "utterances": len(pairs),
        "words": found.words,
        "without": round(100 * sum(first) / found.words, 2),
        "with": round(100 * sum(second) / found.words, 2),
        "difference": round(found.difference, 2),
        "ci95": [round(bound, 2) for bound in found.ci95],
        "p": round(found.p_value, 4),
    }


def measure(model, folder: Path, weights, args) -> dict[float, dict]:
    """Measure a set with each weight."""
    references = read_pairs(folder / "text")
    audio = {}
    for name, path in read_pairs(folder / "wav.scp").items():
        with AudioReader(path, model.sample_rate) as reader:
            audio[name] = np.concatenate(list(reader.blocks()))
    phrases = list_of(references, args)
    beam = SearchOptions(beam_size=args.beam_size)
    plain = score_texts(references, recognise(Recogniser(model), audio))
    without = score_texts(references, recognise(Recogniser(model, beam), audio))
    listed = {
        name
        for name, text in references.items()
        if any(f" {p} " in f" {' '.join(text.split())} " for p in phrases)
    }
    found = {}
    for weight in weights:
        hotwords = [Phrase(text, weight) for text in phrases]
        recogniser = Recogniser(model, beam, hotwords)
        biased = score_texts(references, recognise(recogniser, audio))
        found[weight] = {
            "set": str(folder),
            "weight": weight,
            "phrases": len(phrases),
            "wer_best_path": round(plain.words.rate, 2),
            "all": difference(without, biased, set(references)),
        }
        for name, part in (("listed", listed), ("other", set(references) - listed)):
            if part:
                found[weight][name] = difference(without, biased, part)
        print(json.dumps(found[weight]), flush=True)
    return found


def main() -> None:
    """Measure and print a line of JSON for each weight and set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("--dev_dir", type=Path, required=True)
    parser.add_argument("--test_dir", type=Path, required=True)
    parser.add_argument("--train_text", type=Path, help="for the distractors")
    parser.add_argument("--hotwords", type=Path, help="a list of one's own")
    parser.add_argument("--distractors", type=int, default=100)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.25, 0.5, 1, 2])
    parser.add_argument("--beam_size", type=int, default=16)
    args = parser.parse_args()
    if (args.train_text is None) == (args.hotwords is None):
        parser.error("give either --train_text or --hotwords")
    torch.set_num_threads(1)
    model = Remembered(load_model(args.model_dir))
    dev = measure(model, args.dev_dir, args.weights, args)
    best = min(dev, key=lambda weight: dev[weight]["all"]["with"])
    measure(model, args.test_dir, [best], args)


if __name__ == "__main__":
    sys.exit(main())
