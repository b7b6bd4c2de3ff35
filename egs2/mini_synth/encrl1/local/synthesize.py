#!/usr/bin/env python3
"""Synthesise a small corpus of spoken commands and write it as Kaldi data folders.

Works offline. Speakers of train, dev and test differ. Every utterance depends on the
seed, its set and its number alone: other sizes keep what is there, and an interrupted
run carries on.
"""

import argparse
import logging
import os
import random
import sys
import tempfile
import wave
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

import numpy as np

import espeak
import grammar
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_lines

__all__ = ["SPEAKERS", "Utterance", "get_parser", "main", "plan", "synthesize"]

SAMPLE_RATE = 16000  # Hz

# Part of the folder's name: raise it when a change here changes the audio.
_VERSION = 1


class Speaker(NamedTuple):
    """A synthetic speaker: espeak-ng voice, speaking rate and pitch."""

    name: str
    voice: str
    words_per_minute: int
    pitch: int = 50


# No voice variant serves two sets. The accents of dev and test are heard in training.
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
        # With other spectral tilts: without them a muffled voice is not understood.
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
    ],
    "test": [
        Speaker("usf4", "en-us+f4", 155),
        Speaker("usadam", "en-us+adam", 145),
        Speaker("gbsteph", "en+steph", 150),
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
    level_db: float  # root mean square of the speech, of full scale
    seed: int


def plan(subset: str, number: int, seed: int) -> list[Utterance]:
    """Draw the first ``number`` utterances of a set.

    The speakers take turns. A longer plan begins with the shorter one.
    """
    utterances = []
    speakers = SPEAKERS[subset]
    for index in range(number):
        # A string seeds it the same on every platform and in every process.
        choose = random.Random(f"{seed}/{subset}/{index}")
        speaker = speakers[index % len(speakers)]
        utterances.append(
            Utterance(
                name=f"{speaker.name}_{index:05d}",
                speaker=speaker,
                text=grammar.sentence(choose),
                words_per_minute=speaker.words_per_minute + choose.randint(-12, 12),
                pitch=speaker.pitch + choose.randint(-10, 10),
                snr_db=choose.uniform(15.0, 30.0),
                silence_s=(choose.uniform(0.1, 0.3), choose.uniform(0.1, 0.3)),
                level_db=choose.uniform(-30.0, -22.0),
                seed=choose.randrange(2**31),
            )
        )
    return utterances


def synthesize(engine: espeak.Espeak, utterance: Utterance) -> np.ndarray:
    """Synthesise one utterance with silence around it and coloured noise below it.

    Returns:
        Samples of shape (samples,), int16, at 16 kHz.
    """
    # Here, because they take seconds to import and a finished corpus needs neither.
    import torch
    import torchaudio.functional

    speech = engine.say(
        utterance.text,
        utterance.speaker.voice,
        rate=utterance.words_per_minute,
        pitch=utterance.pitch,
        seed=utterance.seed,
    )
    resampled = torchaudio.functional.resample(
        torch.from_numpy(speech / 32768.0), espeak.SAMPLE_RATE, SAMPLE_RATE
    ).numpy()
    level = 10.0 ** (utterance.level_db / 20.0)
    resampled = resampled * (level / np.sqrt(np.mean(resampled**2)))
    before, after = (round(s * SAMPLE_RATE) for s in utterance.silence_s)
    padded = np.pad(resampled, (before, after))
    noise = _noise(len(padded), np.random.RandomState(utterance.seed))
    padded = padded + noise * level * 10.0 ** (-utterance.snr_db / 20.0)
    return np.round(np.clip(padded, -1.0, 1.0) * 32767.0).astype(np.int16)


def _noise(num_samples: int, generator: np.random.RandomState) -> np.ndarray:
    """Noise of unit power between white and pink (power falls as 1/f to the 0...1)."""
    # RandomState and not default_rng: numpy promises that its stream never changes.
    spectrum = np.fft.rfft(generator.standard_normal(num_samples))
    frequencies = np.maximum(np.arange(len(spectrum)), 20)
    spectrum *= frequencies ** (-0.5 * generator.uniform())
    noise = np.fft.irfft(spectrum, num_samples)
    return noise / np.sqrt(np.mean(noise**2))


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples (samples,) at 16 kHz, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream, wave.open(stream, "wb") as audio:
            audio.setnchannels(1)
            audio.setsampwidth(2)
            audio.setframerate(SAMPLE_RATE)
            audio.writeframes(samples.astype("<i2").tobytes())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _data_files(utterances: Sequence[Utterance], wav_dir: Path) -> dict[str, list[str]]:
    """The lines of a Kaldi data folder, sorted as the C locale does."""
    utterances = sorted(utterances, key=lambda utterance: utterance.name)
    of_speaker = defaultdict(list)
    for utterance in utterances:
        of_speaker[utterance.speaker.name].append(utterance.name)
    return {
        "wav.scp": [f"{u.name} {wav_dir / u.name}.wav" for u in utterances],
        "text": [f"{u.name} {u.text.upper()}" for u in utterances],
        "utt2spk": [f"{u.name} {u.speaker.name}" for u in utterances],
        "spk2utt": [f"{spk} {' '.join(of_speaker[spk])}" for spk in sorted(of_speaker)],
    }


def _is_current(folder: Path, files: dict[str, list[str]]) -> bool:
    return all(
        (folder / name).is_file()
        and (folder / name).read_text(encoding="utf-8").splitlines() == lines
        for name, lines in files.items()
    )


def _prepare_set(subset: str, number: int, args: argparse.Namespace) -> None:
    utterances = plan(subset, number, args.seed)
    wav_dir = args.wav_dir / f"v{_VERSION}_seed{args.seed}" / subset
    missing = [u for u in utterances if not (wav_dir / f"{u.name}.wav").is_file()]
    if missing:
        with espeak.Espeak() as engine:
            for done, utterance in enumerate(missing, 1):
                samples = synthesize(engine, utterance)
                write_wav(wav_dir / f"{utterance.name}.wav", samples)
                if done % 250 == 0:
                    logging.info("%s: %d of %d", subset, done, len(missing))
    # After the audio, so that a data folder never names a file that is not there.
    folder, files = args.output_dir / subset, _data_files(utterances, wav_dir)
    if missing or not _is_current(folder, files):
        for name, lines in files.items():
            write_lines(folder / name, lines)
        logging.info("%s: %d utterances in %s", subset, number, folder)
    else:
        logging.info("%s: nothing to do, %s is complete", subset, folder)


def get_parser() -> argparse.ArgumentParser:
    """Command-line options."""
    parser = argparse.ArgumentParser(
        description="Synthesise a small corpus of spoken commands with espeak-ng",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--output_dir", type=Path, default=Path("data"), help="for {train,dev,test}/"
    )
    parser.add_argument(
        "--wav_dir", type=Path, default=Path("data/wav"), help="for the audio"
    )
    for subset, number in ("train", 1000), ("dev", 60), ("test", 120):
        parser.add_argument(
            f"--{subset}_utterances", type=int, default=number, help=f"in {subset}"
        )
    parser.add_argument("--seed", type=int, default=0, help="of sentences and noise")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    numbers = {subset: getattr(args, f"{subset}_utterances") for subset in SPEAKERS}
    for subset, number in numbers.items():
        if not 1 <= number <= 99999:
            raise UserError(
                f"--{subset}_utterances {number}: choose a number from 1 to 99999"
            )
    for subset, number in numbers.items():
        _prepare_set(subset, number, args)


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s: %(message)s"
    )
    try:
        main()
    except (UserError, OSError) as error:
        logging.error("%s", error)
        sys.exit(2)
