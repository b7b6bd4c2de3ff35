"""Make the synthetic corpus of spoken commands and its Kaldi data folders.

This works offline. Speakers of train, dev and test differ. Every utterance only depends
on the seed, its set and its number. So existing audio is kept if the sizes change, and
an interrupted run can be continued.
"""

import logging
from collections import defaultdict
from pathlib import Path
from typing import Mapping, Sequence

from espnet_plugin.corpora.synthetic.audio import synthesize, write_wav
from espnet_plugin.corpora.synthetic.espeak import Espeak
from espnet_plugin.corpora.synthetic.plan import Utterance, plan
from espnet_plugin.errors import UserError
from espnet_plugin.files import write_lines

__all__ = ["prepare_synthetic"]

logger = logging.getLogger(__name__)

# Part of the folder's name; increase it with every change of the audio.
_VERSION = 2


def prepare_synthetic(
    output_dir: Path, wav_dir: Path, numbers: Mapping[str, int], seed: int = 0
) -> None:
    """Synthesise missing utterances and write ``train``, ``dev`` and ``test``.

    Args:
        output_dir: Folder for the data folders.
        wav_dir: Folder for the audio; ``wav.scp`` has paths that begin with it.
        numbers: Number of utterances of each of ``train``, ``dev`` and ``test``.
        seed: Seed of sentences, noise and variation of the voices.

    Raises:
        UserError: If a number is out of range (nothing is written then), or the
            synthesiser is not installed or does not start.
    """
    for subset, number in numbers.items():
        if not 1 <= number <= 99999:
            raise UserError(
                f"--{subset}_utterances {number}: choose a number from 1 to 99999"
            )
    for subset, number in numbers.items():
        _prepare_set(subset, number, output_dir / subset, wav_dir, seed)


def _data_files(utterances: Sequence[Utterance], wav_dir: Path) -> dict[str, list[str]]:
    """Return the lines of a Kaldi data folder, sorted as in the C locale."""
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


def _prepare_set(subset: str, number: int, folder: Path, wav: Path, seed: int) -> None:
    utterances = plan(subset, number, seed)
    wav_dir = wav / f"v{_VERSION}_seed{seed}" / subset
    missing = [u for u in utterances if not (wav_dir / f"{u.name}.wav").is_file()]
    if missing:
        with Espeak() as engine:
            for done, utterance in enumerate(missing, 1):
                samples = synthesize(engine, utterance)
                write_wav(wav_dir / f"{utterance.name}.wav", samples)
                if done % 250 == 0:
                    logger.info("%s: %d of %d", subset, done, len(missing))
    # After the audio, so that a data folder never names a missing file.
    files = _data_files(utterances, wav_dir)
    if missing or not _is_current(folder, files):
        for name, lines in files.items():
            write_lines(folder / name, lines)
        logger.info("%s: %d utterances in %s", subset, number, folder)
    else:
        logger.info("%s: nothing to do, %s is complete", subset, folder)
