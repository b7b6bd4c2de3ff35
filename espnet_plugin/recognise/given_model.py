"""Checks of what a user gives to recognise with, before torch is imported."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.data.kaldi import Segment, read_segments
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.given import check_given
from espnet_plugin.export.read import check_not_above_exports, is_export
from espnet_plugin.files import read_pairs

__all__ = ["TranscribedAudio", "check_given_model", "read_transcribed"]


@dataclass(frozen=True)
class TranscribedAudio:
    """A Kaldi folder with audio and transcripts.

    Attributes:
        paths: Audio file of each utterance; that of the whole recording if the
            utterance is a segment.
        texts: Transcript of each utterance; may have more utterances than ``paths``.
        segments: Place of each utterance in its recording; empty if every utterance is
            a whole file.
    """

    paths: dict[str, str]
    texts: dict[str, str]
    segments: dict[str, Segment]


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
        folder: Folder with ``wav.scp`` (of files) and ``text``, and perhaps
            ``segments``.

    Raises:
        UserError: If a table is missing or damaged, ``wav.scp`` is empty or has
            commands, a segment has no recording, or an utterance has no transcript.
    """
    paths, texts = read_pairs(folder / "wav.scp"), read_pairs(folder / "text")
    for name, path in paths.items():
        if path.endswith("|"):
            raise UserError(
                f"{folder / 'wav.scp'}: {name} is a command ({path}), but files are "
                "needed: give a folder of stage 2, such as dump/raw/dev"
            )
    segments = read_segments(folder)
    if segments:
        lost = [name for name, one in segments.items() if one.recording not in paths]
        if lost:
            raise UserError(
                f"{folder / 'segments'}: the recording "
                f"{segments[lost[0]].recording} of {lost[0]} is not in wav.scp: "
                "complete wav.scp"
            )
        paths = {name: paths[one.recording] for name, one in segments.items()}
    missing = [name for name in paths if name not in texts]
    if missing or not paths:
        raise UserError(
            f"{folder / 'text'} lacks {len(missing)} of the {len(paths)} utterances "
            f"of {'segments' if segments else 'wav.scp'} ({', '.join(missing[:4])}): "
            "give a folder with audio and text of all utterances"
        )
    return TranscribedAudio(paths, texts, segments)
