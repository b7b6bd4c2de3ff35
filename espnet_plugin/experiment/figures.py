"""``cost.json`` and ``rtf.json``: cost of a training and speed of its model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Type, TypeVar

from espnet_plugin.experiment.records import is_finite, record_from_json

__all__ = ["Cost", "Figures", "Speed"]

Kind = TypeVar("Kind", bound="Figures")


class Figures:
    """Base class of figures in a file. NaN and infinity count as missing."""

    @classmethod
    def from_json(cls: Type[Kind], content: dict[str, Any], path: Path) -> Kind:
        """Read the content of a file of this or an earlier version.

        Values that are not finite count as missing and are named in ``not_finite``.

        Raises:
            UserError: If a value has the wrong type.
        """
        bad = tuple(key for key, value in content.items() if not is_finite(value))
        kept = {key: value for key, value in content.items() if key not in bad}
        return record_from_json(cls, kept, path, not_finite=bad)


@dataclass(frozen=True)
class Cost(Figures):
    """Total cost of a training; None for figures that were not recorded.

    Attributes:
        train_seconds: Wall-clock seconds of training steps.
        valid_seconds: Wall-clock seconds of validation.
        cpu_seconds: Processor seconds of all processes.
        audio_seconds: Seconds of audio in all training steps, including repetitions.
        flops: Floating-point operations of the model.
        teacher_flops: Floating-point operations of the frozen reference.
        epochs: Number of epochs.
        redone_seconds: Seconds lost by interruptions.
        once: Figures of work that was done once before the epochs, by name.
        per_epoch: Figures of each epoch.
        others: Keys that this version does not know.
        not_finite: Keys whose values are not finite.
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
    """Measurements of a finished model; None for figures not measured.

    Attributes:
        encoder_rtf: Real-time factor (computing time / duration) of the encoder.
        runs: Real-time factor in each run.
        threads: Number of threads of torch.
        audio_seconds: Duration of the utterance in seconds.
        load_average: Load average of the machine before the measurement; earlier
            versions wrote one number.
        cpu: Name of the processor.
        device: torch's name of the device.
        parameters: Total number of parameters (``total``) and numbers by part.
        params_nonzero: Number of parameters that are not zero.
        macs_per_audio_second: Multiply-adds per second of audio.
        peak_memory_mb: Memory of a forward pass on top of the loaded model, at its
            peak, in 10^6 bytes.
        checkpoint: Name of the measured checkpoint.
        file_bytes: Size of the checkpoint in bytes.
        chunk_rtf: Real-time factor of chunks of a streaming model.
        chunk_ms: Computing time for a chunk, in ms.
        chunk_audio_ms: Duration of the audio in a chunk, in ms.
        others: Keys that this version does not know.
        not_finite: Keys whose values are not finite.
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
