"""Scores of data that has changed since: they are not results of what is there now."""

from pathlib import Path
from typing import Any, Optional

from espnet_plugin.data.content import CACHE, Contents, names_lost_files
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.files import file_checksum, read_json, read_pairs

__all__ = ["NOT_OF_TODAY", "other_data"]

# What a row lacks whose score is of other data begins so.
NOT_OF_TODAY = "a score of the set"


def other_data(
    decoded: DecodedSet, dump_dir: Path, experiment: Path, checkpoint: Optional[Path]
) -> Optional[str]:
    """Say what a set was decoded or scored from and is not any more.

    Args:
        decoded: The decoded set.
        dump_dir: Where stage 2 put the sets.
        experiment: The model's folder, beside which digests of audio are kept.
        checkpoint: The model's checkpoint, if it is known.

    Returns:
        A few words; None if nothing has changed, or if it cannot be known: the set or
        its audio is not there any more, or was scored by an earlier version, which
        noted nothing.
    """
    source = dump_dir / decoded.name
    if not source.is_dir():
        return None
    reference = _noted(decoded.scored_file, "inputs", "reference")
    text = source / "text"
    if reference and text.is_file() and reference != file_checksum(text):
        return f"the transcripts of {source} have changed"
    contents = Contents(Path(experiment).parent / CACHE)
    known = _noted(decoded.decoded_file, "checkpoint")
    if known and checkpoint and known != contents.file(checkpoint):
        return f"{checkpoint.name} has changed"
    known = _noted(decoded.decoded_file, "audio")
    try:
        table, kind = speech_input(source)
        # Who deletes a dump to have its disk space has not changed the data.
        if not known or names_lost_files(source / table):
            return None
        keys = list(read_pairs(source / table))
        same = known == contents.table(source / table, kind, keys)
    except UserError:
        return None
    contents.save()
    return None if same else f"the audio of {source} has changed"


def _noted(path: Path, *names: str) -> Any:
    """Return a value of a record; None where it is not there, or not readable."""
    try:
        value = read_json(path) if path.is_file() else None
    except UserError:
        return None
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
