"""What was measured on the files of a model's exports, as their ``meta.json`` says."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.experiment.figures import Figures
from espnet_plugin.experiment.records import read_keys, record_from_json

__all__ = ["MEASURED", "ExportedFile", "read_exports"]

# The key of these figures in an export's meta.json.
MEASURED = "measured"
_META = "meta.json"


@dataclass(frozen=True)
class ExportedFile(Figures):
    """One model file of an export; None where a figure was not measured.

    Attributes:
        target: What it was exported for, e.g. ``onnx``.
        file: Its name.
        file_bytes: Its size, with that of a front end in a file of its own.
        rtf_1s: Seconds of computing for a second of audio, of an utterance of 1 s.
        rtf_3s: The same of 3 s.
        rtf_10s: The same of 10 s.
        chunk_ms: Milliseconds of computing for a chunk, of a streaming model.
        process_mb: Highest resident memory of the process of the folder's script that
            recognises an utterance of about two seconds, in 10^6 bytes.
        first_word_s: Seconds from the start of that process to its first text.
        others_cores: Processors that other programs kept busy meanwhile, on average.
        threads: Threads of the runtime.
        cpu: The processor.
        wer: Word error rate of the file on ``wer_set``, percent.
        wer_ci95: Its 95 % interval over utterances.
        wer_set: Name of the data folder that ``wer`` is of.
        errors_by_unit: Word errors of each utterance.
        words_by_unit: Words of each utterance.
        others: Keys that this version does not know.
        not_finite: Keys whose values are no finite numbers.
    """

    target: str = ""
    file: str = ""
    file_bytes: Optional[int] = None
    rtf_1s: Optional[float] = None
    rtf_3s: Optional[float] = None
    rtf_10s: Optional[float] = None
    chunk_ms: Optional[float] = None
    process_mb: Optional[float] = None
    first_word_s: Optional[float] = None
    others_cores: Optional[float] = None
    threads: Optional[int] = None
    cpu: Optional[str] = None
    wer: Optional[float] = None
    wer_ci95: tuple[float, ...] = ()
    wer_set: Optional[str] = None
    errors_by_unit: tuple[int, ...] = ()
    words_by_unit: tuple[int, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    not_finite: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return its keys for a JSON file; what is not known is left out."""
        known = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in vars(self).items()
            if key not in ("others", "not_finite") and value not in (None, (), "")
        }
        return {**known, **self.others}


@dataclass(frozen=True)
class _Export:
    target: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)


def read_exports(folder: Path, checkpoint_sha256: str) -> tuple[ExportedFile, ...]:
    """Read the figures of a model's exports, a folder each.

    An export of another checkpoint is left out, and logged.

    Args:
        folder: The experiment's folder of exports.
        checkpoint_sha256: Digest of the checkpoint that is the model.

    Returns:
        A value for each file, by target and then as the export lists them.

    Raises:
        UserError: If a file is damaged.
    """
    found = []
    for path in sorted(folder.glob(f"*/{_META}")):
        export = record_from_json(_Export, read_keys(path), path)
        if export.model.get("checkpoint_sha256") != checkpoint_sha256:
            logging.warning(
                "%s belongs to a different checkpoint, so its figures are left out: "
                "run stage 10 again",
                path.parent,
            )
            continue
        for name, content in export.measured.items():
            one = ExportedFile.from_json(content, path)
            found.append(replace(one, target=export.target, file=name))
    return tuple(found)
