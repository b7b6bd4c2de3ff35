"""Plan the utterances of the synthetic corpus: speakers, sentences and parameters."""

import random
from typing import NamedTuple

from espnet_plugin.corpora.synthetic import grammar

__all__ = ["SPEAKERS", "Speaker", "Utterance", "plan"]


class Speaker(NamedTuple):
    """A synthetic speaker: espeak-ng voice, speaking rate and pitch (0 to 99)."""

    name: str
    voice: str
    words_per_minute: int
    pitch: int = 50


# Every voice variant is in one set only. The accents of dev and test occur in training.
SPEAKERS = {
    "train": [
        Speaker("usf1", "en-us+f1", 150),
        Speaker("usf3", "en-us+f3", 140),
        Speaker("usm1", "en-us+m1", 155),
        Speaker("usm3", "en-us+m3", 145),
        Speaker("usm7", "en-us+m7", 165),
        Speaker("gbf5", "en+f5", 150),
        Speaker("gbm4", "en+m4", 140),
        Speaker("rpf2", "en-gb-x-rp+f2", 160),
        Speaker("gbandrea", "en+Andrea", 125),
        Speaker("usmichael", "en-us+Michael", 150),
        # With different spectral tilts; without them, muffled voices are not
        # recognised.
        Speaker("usm8", "en-us+m8", 150),
        Speaker("gbanika", "en+anika", 145),
        Speaker("usmiguel", "en-us+miguel", 155),
        Speaker("gbquincy", "en+quincy", 150),
        Speaker("usnguyen", "en-us+Nguyen", 145),
        Speaker("gbbelinda", "en+belinda", 155),
        Speaker("rpmichel", "en-gb-x-rp+michel", 150),
        Speaker("usannie", "en-us+Annie", 150),
        Speaker("gbpaul", "en+paul", 160),
        Speaker("usaunty", "en-us+aunty", 140),
    ],
    "dev": [
        Speaker("usm2", "en-us+m2", 150),
        Speaker("gblinda", "en+linda", 145),
        Speaker("usm6", "en-us+m6", 150),
        Speaker("gbalicia", "en+Alicia", 150),
        Speaker("usdavid", "en-us+david", 150),
    ],
    "test": [
        Speaker("usf4", "en-us+f4", 155),
        Speaker("usadam", "en-us+adam", 145),
        Speaker("gbsteph", "en+steph", 150),
        Speaker("usm5", "en-us+m5", 150),
        Speaker("gbshelby", "en+shelby", 150),
        Speaker("usjohn", "en-us+john", 150),
        Speaker("gbhugo", "en+Hugo", 150),
        Speaker("rplee", "en-gb-x-rp+Lee", 150),
    ],
}


class Utterance(NamedTuple):
    """One utterance to synthesise."""

    name: str
    speaker: Speaker
    text: str
    words_per_minute: int
    pitch: int
    snr_db: float
    silence_s: tuple[float, float]  # before and after the speech
    level_db: float  # root mean square of the speech relative to full scale
    seed: int


def plan(subset: str, number: int, seed: int) -> list[Utterance]:
    """Draw the first ``number`` utterances of a set.

    The speakers take turns. A longer plan begins with the utterances of a shorter one.
    """
    utterances = []
    speakers = SPEAKERS[subset]
    for index in range(number):
        # A string gives the same random numbers on every platform and in every process.
        choose = random.Random(f"{seed}/{subset}/{index}")
        speaker = speakers[index % len(speakers)]
        utterances.append(
            Utterance(
                name=f"{speaker.name}_{index:05d}",
                speaker=speaker,
                text=grammar.sentence(choose),
                words_per_minute=speaker.words_per_minute + choose.randint(-12, 12),
                pitch=speaker.pitch + choose.randint(-10, 10),
                snr_db=choose.uniform(10.0, 30.0),
                silence_s=(choose.uniform(0.1, 0.3), choose.uniform(0.1, 0.3)),
                level_db=choose.uniform(-30.0, -22.0),
                seed=choose.randrange(2**31),
            )
        )
    return utterances
