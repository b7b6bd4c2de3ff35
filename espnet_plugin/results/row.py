"""A row of ``results.json`` (one model), as nested values by topic.

Values are None if not known. The key in the file is the name of the field, or is given
by the metadata "key".
"""

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional

from espnet_plugin.experiment.exported import ExportedFile
from espnet_plugin.results.size import size_text
from espnet_plugin.shape import Shape

__all__ = [
    *("Curve", "DualMode", "Identity", "Interval", "Numbers", "Quality", "Row"),
    *("Running", "Size", "TestSet", "TrainingCost", "key", "seldom"),
    "seldom_list",
]

Interval = tuple[float, float]
Numbers = tuple[float, ...]


def key(name: str, default: Any = None, **metadata: Any) -> Any:
    """Declare a field whose key in the file has a different name."""
    return field(default=default, metadata={"key": name, **metadata})


def seldom(**metadata: Any) -> Any:
    """Declare a field whose key is not in the file if it is not known."""
    return field(default=None, metadata={"seldom": True, **metadata})


def seldom_list(kind: type) -> Any:
    """Declare a field of records whose key is not in the file if there are none."""
    return field(default=(), metadata={"seldom": True, "records": kind})


def _text(digits: str) -> Any:
    # One string of numbers, which is easier to read in the file than a list.
    return field(default=None, metadata={"text": digits})


@dataclass(frozen=True)
class Identity:
    """Identity of a model; rows are the same if the first six fields are equal."""

    #: ``encrl``, ``scratch`` and so on; ``espnet`` for any other folder.
    method: str
    #: What distinguishes it within the method; may be empty.
    variant: str
    #: Number of encoder layers; 0 if not known.
    layers: int
    #: Nominal number of layers, by parameters; usually equal to ``layers``.
    size: int
    seed: int
    #: Width of the encoder if it is part of the size, as in ``4x72``.
    width: Optional[int] = seldom()
    #: Name of its experiment folder.
    folder: Optional[str] = key("dir")
    #: Name of its checkpoint file.
    checkpoint: Optional[str] = None
    #: Name of the shared training that it is built on.
    shared_run: Optional[str] = key("shared")
    #: Beginning of the SHA-256 of the checkpoint of its reference.
    reference: Optional[str] = seldom()
    #: Decoding of the scores.
    decoding: Optional[str] = None

    @property
    def shape(self) -> Shape:
        """Its size, with the width if it is not that of the reference."""
        return Shape(self.size, self.width)

    @property
    def group_key(self) -> tuple[str, str, int, Shape]:
        """Key that all seeds of a model have in common."""
        return self.method, self.variant, self.layers, self.shape

    @property
    def row_key(self) -> tuple[str, str, int, Shape, int]:
        """Key of the row; rows with equal keys are the same row."""
        return (*self.group_key, self.seed)

    @property
    def name(self) -> str:
        """Method and variant."""
        return f"{self.method} {self.variant}".strip()

    @property
    def label(self) -> str:
        """Method, variant and size: the model's name in sentences."""
        return f"{self.name} {size_text(self.layers, self.shape)}"


@dataclass(frozen=True)
class Size:
    """Numbers of parameters and of non-zero parameters, and bytes of the checkpoint."""

    params: Optional[int] = None
    params_nonzero: Optional[int] = None
    file_bytes: Optional[int] = None


@dataclass(frozen=True)
class Quality:
    """Error rates and 95 % intervals, in percent.

    Errors and lengths by bootstrap unit and by speaker are included, so that systems
    can be compared with results.json alone.
    """

    test_wer: Optional[float] = None
    #: Number of words in the test set's references.
    test_words: Optional[int] = None
    #: Interval over ``bootstrap_unit``, like those of the other rates.
    wer_ci95: Optional[Interval] = None
    #: Interval over speakers; None if there is only one or they are not known.
    wer_ci95_speakers: Optional[Interval] = None
    test_cer: Optional[float] = None
    cer_ci95: Optional[Interval] = None
    dev_wer: Optional[float] = None
    dev_wer_ci95: Optional[Interval] = None
    #: ``char`` if models are compared by character errors, because the script of the
    #: test set has no spaces between words.
    error_unit: Optional[str] = seldom()
    #: Unit of the bootstrap: ``utterance`` (also if None) or ``speaker``.
    bootstrap_unit: Optional[str] = seldom()
    test_errors_by_unit: Optional[Numbers] = seldom(text=".0f")
    test_words_by_unit: Optional[Numbers] = seldom(text=".0f")
    test_char_errors_by_unit: Optional[Numbers] = seldom(text=".0f")
    test_chars_by_unit: Optional[Numbers] = seldom(text=".0f")
    test_errors_by_speaker: Optional[Numbers] = seldom(text=".0f")
    test_words_by_speaker: Optional[Numbers] = seldom(text=".0f")
    dev_errors_by_unit: Optional[Numbers] = seldom(text=".0f")
    dev_words_by_unit: Optional[Numbers] = seldom(text=".0f")
    #: Key of the test set in ``Entries.test_sets``.
    test_set: Optional[str] = None


@dataclass(frozen=True)
class TrainingCost:
    """Cost of a training."""

    #: Wall-clock time of the training steps in seconds.
    train_seconds: Optional[float] = None
    #: Wall-clock time on the development set in seconds.
    valid_seconds: Optional[float] = None
    #: Processor time of all threads of the training process in seconds.
    cpu_seconds: Optional[float] = None
    #: Floating-point operations of the model itself, and of the frozen teacher.
    train_flops: Optional[float] = None
    teacher_flops: Optional[float] = None
    #: Seconds of audio in the training steps of all epochs.
    audio_seconds: Optional[float] = None
    epochs: Optional[int] = None
    #: Whether ``cpu_seconds`` leaves out the pass that filled the teacher's cache.
    cpu_without_cache: Optional[bool] = seldom()


@dataclass(frozen=True)
class Running:
    """Speed and memory of a model."""

    #: Computing time of the encoder / duration of the audio, median of the runs.
    encoder_rtf: Optional[float] = None
    #: Load average of the machine (one minute) before the measurement.
    rtf_load: Optional[float] = None
    #: Threads of the measurement.
    rtf_threads: Optional[int] = None
    #: Cores that the measurement could use; None in files of earlier versions.
    rtf_cores: Optional[int] = seldom()
    #: Multiply-adds per second of audio, for an utterance of ``macs_audio_seconds``.
    macs_per_audio_second: Optional[float] = None
    macs_audio_seconds: Optional[float] = None
    #: Memory of a forward pass in addition to the loaded model, in 10^6 bytes.
    peak_memory_mb: Optional[float] = None

    @property
    def was_busy(self) -> bool:
        """Whether other work competed with the measurement of the real-time factor.

        The load includes the measuring process itself. If the number of cores is not
        known, a load of up to one above the number of threads counts as quiet.
        """
        if self.encoder_rtf is None or self.rtf_load is None:
            return False
        return self.rtf_load > (self.rtf_cores or (self.rtf_threads or 1) + 1)


@dataclass(frozen=True)
class DualMode:
    """Values that only recognisers with two modes have."""

    #: ``full`` or ``streaming``.
    mode: Optional[str] = None
    #: Share of masked weights among those that can be masked.
    sparsity: Optional[float] = None
    #: Algorithmic latency in milliseconds; None in full mode.
    latency_ms: Optional[float] = None
    #: Size of the file without masked blocks in bytes.
    blocks_file_bytes: Optional[int] = seldom()
    #: Computing time of one chunk / duration of its audio.
    chunk_rtf: Optional[float] = seldom()
    #: Computing time of one chunk and duration of its audio, in ms.
    chunk_ms: Optional[float] = seldom()
    chunk_audio_ms: Optional[float] = seldom()


@dataclass(frozen=True)
class Curve:
    """Epochs of the shared trainings, then of the model's own; NaN if not known.

    Error rates on the development set are in percent.
    """

    curve_epochs: Optional[Numbers] = _text(".0f")
    dev_cer_by_epoch: Optional[Numbers] = _text(".5g")
    dev_loss_by_epoch: Optional[Numbers] = _text(".5g")


@dataclass(frozen=True)
class TestSet:
    """Names of a test set's utterances, and their numbers of words."""

    __test__ = False  # no test class of pytest

    names: tuple[str, ...]
    words: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One model, identified by method, variant, layers, size and seed."""

    identity: Identity
    size: Size = Size()
    quality: Quality = Quality()
    #: Cost of its own training, without the shared run.
    training: TrainingCost = TrainingCost()
    running: Running = Running()
    #: None for models with one mode.
    dual_mode: Optional[DualMode] = None
    curve: Curve = Curve()
    #: Measurements of the files of its exports.
    exports: tuple[ExportedFile, ...] = seldom_list(ExportedFile)
    #: Missing files and figures.
    missing: tuple[str, ...] = ()
    #: Whether it is kept from an earlier results.json, because its folder was not
    #: given.
    retained: bool = key("kept", False, seldom=True)
    #: Keys of results.json that are not fields: metrics whose source is a `FileValue`,
    #: and keys of other versions.
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its folder, or a description that identifies the model."""
        one = self.identity
        return one.folder or (
            f"{one.method} {one.variant} {Shape(one.layers, one.width)} layers, seed "
            f"{one.seed}"
        )

    @property
    def mode(self) -> Optional[str]:
        """``full`` or ``streaming``; None for models with one mode."""
        return self.dual_mode.mode if self.dual_mode else None
