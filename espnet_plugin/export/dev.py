"""Utterances for testing an export."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_plugin.data.audio import read_audio
from espnet_plugin.data.kaldi import read_data_dir
from espnet_plugin.errors import UserError

__all__ = ["DevSet", "check_dev", "read_dev"]


@dataclass(frozen=True)
class DevSet:
    """Utterances with transcripts.

    Attributes:
        folder: Name of the data folder.
        audio: Samples in [-1, 1) by utterance.
        text: Transcript by utterance.
    """

    folder: str
    audio: dict[str, np.ndarray]
    text: dict[str, str]


def read_dev(folder: Path, rate: int, count: int) -> DevSet:
    """Read evenly spaced utterances of a Kaldi data folder.

    Args:
        folder: Kaldi folder with ``wav.scp``, ``text`` and ``utt2spk``.
        rate: Sampling rate in Hz, which the audio must have.
        count: Largest number of utterances.

    Raises:
        UserError: If the folder or a file is missing or invalid, or ``count`` is below
        1.
    """
    if count < 1:
        raise UserError(f"--dev_utterances {count}: must be at least 1")
    check_dev(folder)
    data = read_data_dir(folder)
    names = list(data.text)
    if len(names) > count:
        chosen = np.linspace(0, len(names) - 1, count).round().astype(int)
        logging.info("--dev %s: %d of %d utterances", folder, count, len(names))
        names = [names[index] for index in chosen]
    audio = {}
    for name in names:
        segment = data.segments.get(name)
        start = 0.0 if segment is None else segment.start
        end = None if segment is None or segment.end == -1 else segment.end
        audio[name] = read_audio(data.audio[name], rate, start, end)
    return DevSet(folder.name, audio, {name: data.text[name] for name in names})


def check_dev(folder: Path) -> None:
    """Check that a folder has a table of audio, before work that takes long.

    Raises:
        UserError: If it is missing, a file, or has none.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"--dev {folder}: this is a file; give a Kaldi data folder, e.g. data/dev"
        )
    if not folder.is_dir():
        raise UserError(
            f"--dev {folder}: the folder does not exist; give a Kaldi data folder, "
            "e.g. data/dev"
        )
    if not (folder / "wav.scp").is_file():
        raise UserError(
            f"--dev {folder}: the folder has no wav.scp: give a Kaldi data folder "
            "with audio, e.g. data/dev, not one with features"
        )
