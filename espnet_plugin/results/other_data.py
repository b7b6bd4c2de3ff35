"""Detect scores of data that has changed since, which are not used."""

from pathlib import Path
from typing import Any, Optional

from espnet_plugin.data.content import CACHE, Contents, names_lost_files
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.meaning import same, with_meaning
from espnet_plugin.files import file_checksum, read_pairs, read_record

__all__ = ["NOT_OF_TODAY", "other_data"]

# Beginning of the note in ``missing`` for such a score.
NOT_OF_TODAY = "a score of the set"


def other_data(
    decoded: DecodedSet, dump_dir: Path, experiment: Path, checkpoint: Optional[Path]
) -> Optional[str]:
    """Describe which input of a decoded set has changed since it was scored.

    Args:
        decoded: The decoded set.
        dump_dir: Folder of the sets written by stage 2.
        experiment: The model's folder, next to which checksums of audio are stored.
        checkpoint: The model's checkpoint, if it is known.

    Returns:
        A clause; None if nothing has changed, or if it cannot be known because the set
        or its audio does not exist any more, or was scored by an earlier version
        without records.
    """
    source = dump_dir / decoded.name
    if not source.is_dir():
        return None
    reference = _noted(decoded.scored_file, "inputs", "reference")
    text = source / "text"
    if reference and text.is_file():
        if not same(reference, with_meaning(file_checksum(text), text)):
            return f"the transcripts of {source} have changed"
    contents = Contents(Path(experiment).parent / CACHE)
    known = _noted(decoded.decoded_file, "checkpoint")
    if known and checkpoint and known != contents.file(checkpoint):
        return f"{checkpoint.name} has changed"
    known = _noted(decoded.decoded_file, "audio")
    try:
        table, kind = speech_input(source)
        # Deleted audio (to save disk space) does not count as a change.
        if not known or names_lost_files(source / table):
            return None
        keys = list(read_pairs(source / table))
        unchanged = known == contents.table(source / table, kind, keys)
    except UserError:
        return None
    contents.save()
    return None if unchanged else f"the audio of {source} has changed"


def _noted(path: Path, *names: str) -> Any:
    """Return a value of a record; None if it is missing or cannot be read."""
    value = read_record(path)
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
