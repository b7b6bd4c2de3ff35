"""Checks of what a user gives to recognise with, before torch is imported."""

from pathlib import Path
from typing import NamedTuple

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.given import check_given
from espnet_plugin.export.read import check_not_above_exports, is_export
from espnet_plugin.files import read_pairs

__all__ = ["TranscribedAudio", "check_given_model", "read_transcribed"]


class TranscribedAudio(NamedTuple):
    """A Kaldi folder with audio and transcripts.

    Attributes:
        paths: Audio file of each utterance.
        texts: Transcript of each utterance; may have more utterances than ``paths``.
    """

    paths: dict[str, str]
    texts: dict[str, str]


def check_given_model(folder: Path) -> None:
    """Check that a folder is an export or has the configuration of an ASR model.

    Loading finds the same faults, but only after torch and ESPnet have been imported,
    which takes many seconds.

    Raises:
        UserError: If it is neither.
    """
    check_given(folder)
    if not is_export(folder):
        check_not_above_exports(folder)
        Experiment(folder).config()


def read_transcribed(folder: Path) -> TranscribedAudio:
    """Read the tables of a Kaldi folder.

    Args:
        folder: Folder with ``wav.scp`` (of files) and ``text``.

    Raises:
        UserError: If a table is missing or damaged, ``wav.scp`` is empty, or an
            utterance has no transcript.
    """
    paths, texts = read_pairs(folder / "wav.scp"), read_pairs(folder / "text")
    missing = [name for name in paths if name not in texts]
    if missing or not paths:
        raise UserError(
            f"{folder / 'text'} lacks {len(missing)} of the {len(paths)} utterances "
            f"of wav.scp ({', '.join(missing[:4])}): give a folder with audio and "
            "text of all utterances"
        )
    return TranscribedAudio(paths, texts)
