"""Measurements of the files of a model's exports, from their ``meta.json``."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet_plugin.experiment.figures import Figures
from espnet_plugin.experiment.records import read_keys, record_from_json

__all__ = ["MEASURED", "ExportedFile", "read_exports"]

# Key of these figures in an export's meta.json.
MEASURED = "measured"
_META = "meta.json"


@dataclass(frozen=True)
class ExportedFile(Figures):
    """Measurements of one model file of an export; None for figures not measured.

    Attributes:
        target: Target of the export, e.g. ``onnx``.
        file: Name of the file.
        file_bytes: Size in bytes, including that of a separate file with the front end.
        rtf_1s: Real-time factor (computing time / duration) for an utterance of 1 s.
        rtf_3s: The same for 3 s.
        rtf_10s: The same for 10 s.
        chunk_ms: Computing time for a chunk of a streaming model, in ms.
        process_mb: Peak resident memory of the process of the folder's script that
            recognises an utterance of about two seconds, in 10^6 bytes.
        first_word_s: Time from the start of that process to its first text, in seconds.
        others_cores: Average number of processor cores that other programs used during
            the measurement.
        threads: Number of threads of the runtime.
        cpu: Name of the processor.
        wer: Word error rate of the file on ``wer_set``, in percent.
        wer_ci95: Its 95 % interval over utterances.
        wer_set: Name of the data folder on which ``wer`` was measured.
        errors_by_unit: Number of word errors in each utterance.
        words_by_unit: Number of words in each utterance.
        others: Keys that this version does not know.
        not_finite: Keys whose values are not finite.
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
        """Return the known figures as keys of a JSON file."""
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
    """Read the measurements of a model's exports; each export is a folder.

    An export of a different checkpoint is left out, with a warning.

    Args:
        folder: Folder with the experiment's exports.
        checkpoint_sha256: Checksum of the model's checkpoint.

    Returns:
        One value for each file, ordered by target and then as in ``meta.json``.

    Raises:
        UserError: If a ``meta.json`` is damaged.
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
