"""Detect scores of data that has changed since, which are not used."""

from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from espnet_plugin.data.content import CACHE, Contents, names_lost_files
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.meaning import same, with_meaning
from espnet_plugin.files import file_checksum, read_pairs, read_record

__all__ = ["NOT_OF_TODAY", "CurrentSets"]

# Beginning of the note in ``missing`` for such a score.
NOT_OF_TODAY = "a score of the set"


class _CurrentSet:
    """A set that stage 2 has written, read once however many models it scores.

    Args:
        folder: Its folder.
        contents: Reads checksums of audio.
    """

    def __init__(self, folder: Path, contents: Contents):
        self.folder, self._contents = folder, contents

    @cached_property
    def text(self) -> Optional[str]:
        """Digest of its transcripts; None if there are none."""
        return _content(self.folder / "text")

    @cached_property
    def audio(self) -> Optional[str]:
        """Digest of its audio; None if it cannot be known.

        Deleted audio (to save disk space) does not count as a change.
        """
        try:
            table, kind = speech_input(self.folder)
            if names_lost_files(self.folder / table):
                return None
            keys = list(read_pairs(self.folder / table))
            return self._contents.table(self.folder / table, kind, keys)
        except UserError:
            return None


class CurrentSets:
    """What scores are compared with: the sets and models as they are now.

    Args:
        dump_dir: Folder of the sets written by stage 2.
    """

    def __init__(self, dump_dir: Path):
        self._dump_dir = dump_dir
        self._contents: dict[Path, Contents] = {}
        self._sets: dict[str, _CurrentSet] = {}

    def why_old(
        self, decoded: DecodedSet, experiment: Path, checkpoint: Optional[Path]
    ) -> Optional[str]:
        """Describe which input of a decoded set has changed since it was scored.

        Args:
            decoded: The decoded set.
            experiment: The model's folder.
            checkpoint: The model's checkpoint, if it is known.

        Returns:
            A clause; None if nothing has changed, or if it cannot be known because the
            set or its audio does not exist any more, or was scored by an earlier
            version without records.
        """
        source = self._dump_dir / decoded.name
        if not source.is_dir():
            return None
        contents = self._contents_beside(Path(experiment))
        current = self._sets.setdefault(decoded.name, _CurrentSet(source, contents))
        scored = _inputs(read_record(decoded.scored_file))
        reference, hypothesis = scored.get("reference"), scored.get("hypothesis")
        if reference and current.text and not same(reference, current.text):
            return f"the transcripts of {source} have changed"
        known = read_record(decoded.decoded_file)
        if decoded.decoded_file.is_file() and not known:
            return f"decoding {source} again was begun"
        text = _content(decoded.text_file) if hypothesis else None
        if text and not same(hypothesis, text):
            return f"{source} was decoded again"
        made_by, audio = known.get("checkpoint"), known.get("audio")
        if made_by and checkpoint and made_by != contents.file(checkpoint):
            return f"{checkpoint.name} has changed"
        if audio and current.audio and audio != current.audio:
            return f"the audio of {source} has changed"
        return None

    def save(self) -> None:
        """Store the checksums that were computed, for the next run."""
        for contents in self._contents.values():
            contents.save()

    def _contents_beside(self, experiment: Path) -> Contents:
        """Return the checksums that the stages store next to an experiment."""
        folder = experiment.parent
        if folder not in self._contents:
            self._contents[folder] = Contents(folder / CACHE)
        return self._contents[folder]


def _content(path: Path) -> Optional[str]:
    return with_meaning(file_checksum(path), path) if path.is_file() else None


def _inputs(record: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of a record; empty if it has none."""
    inputs = record.get("inputs")
    return inputs if isinstance(inputs, dict) else {}
