"""``cost.json`` and ``rtf.json``: what a training cost, and how fast its model is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Type, TypeVar

from espnet_plugin.experiment.records import is_finite, record_from_json

__all__ = ["Cost", "Figures", "Speed"]

Kind = TypeVar("Kind", bound="Figures")


class Figures:
    """Numbers that a file may lack; NaN and infinity count as missing."""

    @classmethod
    def from_json(cls: Type[Kind], content: dict[str, Any], path: Path) -> Kind:
        """Read the content of a file, also of an earlier version.

        Values that are not finite numbers are taken as missing; ``not_finite`` names
        them.

        Raises:
            UserError: If a value has the wrong type; it names file, key and value.
        """
        bad = tuple(key for key, value in content.items() if not is_finite(value))
        kept = {key: value for key, value in content.items() if key not in bad}
        return record_from_json(cls, kept, path, not_finite=bad)


@dataclass(frozen=True)
class Cost(Figures):
    """What a training cost, in all; None where it was not recorded.

    Attributes:
        train_seconds: Wall-clock seconds of training steps.
        valid_seconds: Wall-clock seconds of validation.
        cpu_seconds: Processor seconds of all processes.
        audio_seconds: Audio that was trained on, repetitions included.
        flops: Floating-point operations of the model.
        teacher_flops: Operations of the frozen reference.
        epochs: Number of epochs.
        redone_seconds: Seconds lost by interruptions.
        once: Figures of what was done once before the epochs, by name.
        per_epoch: An entry for each epoch.
        others: Keys that this version does not know.
        not_finite: Keys whose values are no finite numbers.
    """

    train_seconds: Optional[float] = None
    valid_seconds: Optional[float] = None
    cpu_seconds: Optional[float] = None
    audio_seconds: Optional[float] = None
    flops: Optional[float] = None
    teacher_flops: Optional[float] = None
    epochs: Optional[int] = None
    redone_seconds: Optional[float] = None
    once: dict[str, dict[str, Any]] = field(default_factory=dict)
    per_epoch: tuple[dict[str, Any], ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    not_finite: tuple[str, ...] = ()


@dataclass(frozen=True)
class Speed(Figures):
    """What was measured on a finished model; None where it was not.

    Attributes:
        encoder_rtf: Seconds of computing for a second of audio.
        runs: The factor of each run.
        threads: Threads of torch.
        audio_seconds: Length of the utterance.
        load_average: The machine's, before; earlier versions wrote one number.
        cpu: The processor.
        device: torch's name of the device.
        parameters: Number of parameters in all (``total``) and by part.
        params_nonzero: Parameters that are not zero.
        macs_per_audio_second: Multiply-adds for a second of audio.
        peak_memory_mb: Peak memory.
        checkpoint: Name of the file that was measured.
        file_bytes: Size of that file.
        chunk_rtf: Seconds of computing a chunk of audio takes, for a second of it.
        chunk_ms: Milliseconds of computing for a chunk.
        chunk_audio_ms: Milliseconds of audio in a chunk.
        others: Keys that this version does not know.
        not_finite: Keys whose values are no finite numbers.
    """

    encoder_rtf: Optional[float] = None
    runs: tuple[float, ...] = ()
    threads: Optional[int] = None
    audio_seconds: Optional[float] = None
    load_average: Any = None
    cpu: Optional[str] = None
    device: Optional[str] = None
    parameters: dict[str, int] = field(default_factory=dict)
    params_nonzero: Optional[int] = None
    macs_per_audio_second: Optional[float] = None
    peak_memory_mb: Optional[float] = None
    checkpoint: Optional[str] = None
    file_bytes: Optional[int] = None
    chunk_rtf: Optional[float] = None
    chunk_ms: Optional[float] = None
    chunk_audio_ms: Optional[float] = None
    others: Mapping[str, Any] = field(default_factory=dict)
    not_finite: tuple[str, ...] = ()
