"""What a prepared set was made from, and why it must be prepared again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Self

from espnet_plugin.data.content import CACHE, Contents
from espnet_plugin.data.formatted_set import audio_digest, lost_file
from espnet_plugin.data.kaldi import DataDir
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.experiment.inputs import first_difference
from espnet_plugin.files import read_record, write_json

__all__ = ["SetRecord", "record_now", "why_prepare"]


@dataclass(frozen=True)
class SetRecord:
    """What a set was made from, as the ``done.json`` in its folder holds it.

    Attributes:
        inputs: ``digest`` of tables and options, and ``audio``, that of all audio,
            which records of earlier versions do not have. Empty if nothing is known.
        options: Options by name, for messages alone: the digest decides.
    """

    inputs: Mapping[str, Any]
    options: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record; without inputs if the file is missing or damaged."""
        content = read_record(path)
        options = content.pop("options", {})
        return cls(content, options)

    def write(self, path: Path) -> None:
        """Write the record."""
        write_json(path, {**self.inputs, "options": self.options})


def record_now(
    target: Path, known: SetRecord, data: DataDir, digest: str, options: FormatOptions
) -> SetRecord:
    """Return the record of a set as it would be prepared now.

    Args:
        target: Folder of the set, for its cache of checksums.
        known: The record from before.
        data: The tables.
        digest: Digest of tables and options, in which file sizes represent the audio.
        options: How the set is written.
    """
    # Earlier versions stored this digest alone. Where it is the same, their sets stay
    # finished, and the audio is not read.
    inputs = {"digest": digest}
    if known.inputs != inputs:
        contents = Contents(target / CACHE)
        inputs["audio"] = audio_digest(data, contents)
        contents.save()
    noted = {name: value for name, value in vars(options).items() if name != "nj"}
    # As they are read from JSON.
    return SetRecord(inputs, {**noted, "speeds": list(options.speeds)})


def why_prepare(
    done: Path,
    known: SetRecord,
    now: SetRecord,
    options: FormatOptions,
    labelled: bool,
) -> Optional[str]:
    """Return why a set must be prepared, to follow its name; None if it is finished.

    Args:
        done: File of the record, in the set's folder.
        known: What it holds.
        now: What it would hold.
        options: How the set is written.
        labelled: Whether the set has transcripts.
    """
    if not known.inputs:
        if done.exists():
            return f"is prepared again, because {done.name} is damaged"
        return "is prepared for the first time"
    if known.inputs == now.inputs:
        lost = lost_file(done.parent, options, labelled)
        if lost is None:
            return None
        return f"is prepared again, because {lost} is missing or empty"
    if known.inputs.get("digest") == now.inputs["digest"]:
        other = first_difference(known.inputs, now.inputs)
        return f"is prepared again, because of a different {other}"
    other = first_difference(known.options, now.options) if known.options else None
    what = f"of a different {other}" if other else "its tables or tokens have changed"
    return f"is prepared again, because {what}"
