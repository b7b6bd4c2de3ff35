"""One model's row of ``results.json``, as nested values by topic; None: not known.

A field has the name of its key in the file, or says under "key" which other one it is.
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
    """Declare a field that has another name in the file."""
    return field(default=default, metadata={"key": name, **metadata})


def seldom(**metadata: Any) -> Any:
    """Declare a field whose key the file lacks where it is not known."""
    return field(default=None, metadata={"seldom": True, **metadata})


def seldom_list(kind: type) -> Any:
    """Declare a field of records, whose key the file lacks where there are none."""
    return field(default=(), metadata={"seldom": True, "records": kind})


def _text(digits: str) -> Any:
    # One string of numbers, since people read the file, too.
    return field(default=None, metadata={"text": digits})


@dataclass(frozen=True)
class Identity:
    """Which model it is; rows are the same row if the first six are equal."""

    #: ``encrl``, ``scratch`` and so on; ``espnet`` for any other folder.
    method: str
    #: What distinguishes it within the method; may be empty.
    variant: str
    #: Layers of the encoder; 0 where that is not known.
    layers: int
    #: Layers of a model of as many parameters; mostly ``layers``.
    size: int
    seed: int
    #: Width of the encoder where the size names it, as in ``4x72``.
    width: Optional[int] = seldom()
    #: Name of its experiment folder.
    folder: Optional[str] = key("dir")
    #: Name of its checkpoint file.
    checkpoint: Optional[str] = None
    #: Name of the training that it is built on.
    shared_run: Optional[str] = key("shared")
    #: Beginning of the SHA-256 of the reference's checkpoint that it learnt from.
    reference: Optional[str] = seldom()
    #: Whose scores these are.
    decoding: Optional[str] = None

    @property
    def shape(self) -> Shape:
        """Its size, with the width if it has one of its own."""
        return Shape(self.size, self.width)

    @property
    def group_key(self) -> tuple[str, str, int, Shape]:
        """What the seeds of one model have in common."""
        return self.method, self.variant, self.layers, self.shape

    @property
    def row_key(self) -> tuple[str, str, int, Shape, int]:
        """What makes two rows the same row."""
        return (*self.group_key, self.seed)

    @property
    def name(self) -> str:
        """Method and variant."""
        return f"{self.method} {self.variant}".strip()

    @property
    def label(self) -> str:
        """Method, variant and size: what the model is called in a sentence."""
        return f"{self.name} {size_text(self.layers, self.shape)}"


@dataclass(frozen=True)
class Size:
    """How large it is: parameters, those that are not zero, bytes of the checkpoint."""

    params: Optional[int] = None
    params_nonzero: Optional[int] = None
    file_bytes: Optional[int] = None


@dataclass(frozen=True)
class Quality:
    """Error rates; rates and 95 % intervals in percent.

    Errors and lengths by unit of the bootstrap, and by speaker, are there so that
    systems can be compared from results.json alone.
    """

    test_wer: Optional[float] = None
    #: Words of the test set's references.
    test_words: Optional[int] = None
    #: Interval over ``bootstrap_unit``, as that of the other rates.
    wer_ci95: Optional[Interval] = None
    #: Interval over speakers; None where there are not several.
    wer_ci95_speakers: Optional[Interval] = None
    test_cer: Optional[float] = None
    cer_ci95: Optional[Interval] = None
    dev_wer: Optional[float] = None
    dev_wer_ci95: Optional[Interval] = None
    #: ``char`` where rates are compared by characters, because the script of the test
    #: set has no spaces between words.
    error_unit: Optional[str] = seldom()
    #: What a bootstrap draws: ``utterance`` (also if None) or ``speaker``.
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
    """What a training took."""

    #: Wall-clock time of the training steps.
    train_seconds: Optional[float] = None
    #: Wall-clock time on the development set.
    valid_seconds: Optional[float] = None
    #: Processor time of the training process, all threads.
    cpu_seconds: Optional[float] = None
    #: Floating-point operations of the model itself, and of the frozen teacher.
    train_flops: Optional[float] = None
    teacher_flops: Optional[float] = None
    #: Audio that the model was shown, all epochs.
    audio_seconds: Optional[float] = None
    epochs: Optional[int] = None
    #: Whether ``cpu_seconds`` leaves out the pass that filled the teacher's cache.
    cpu_without_cache: Optional[bool] = seldom()


@dataclass(frozen=True)
class Running:
    """What running a model takes."""

    #: Encoder seconds per second of audio, median of the runs.
    encoder_rtf: Optional[float] = None
    #: One-minute load of the machine just before.
    rtf_load: Optional[float] = None
    #: Threads of the measurement.
    rtf_threads: Optional[int] = None
    #: Cores that the measurement could use; None in files of earlier versions.
    rtf_cores: Optional[int] = seldom()
    #: Multiply-adds per second of audio, of an utterance of ``macs_audio_seconds``.
    macs_per_audio_second: Optional[float] = None
    macs_audio_seconds: Optional[float] = None
    #: 10^6 bytes of a forward pass on top of the loaded model.
    peak_memory_mb: Optional[float] = None

    @property
    def was_busy(self) -> bool:
        """Whether other work competed with the measurement of the real-time factor.

        The load counts the measuring process itself. Where the number of cores is not
        known, a load of one above the threads counts as quiet.
        """
        if self.encoder_rtf is None or self.rtf_load is None:
            return False
        return self.rtf_load > (self.rtf_cores or (self.rtf_threads or 1) + 1)


@dataclass(frozen=True)
class DualMode:
    """What only recognisers with two modes have."""

    #: ``full`` or ``streaming``.
    mode: Optional[str] = None
    #: Share of the weights within reach of the masks that is masked.
    sparsity: Optional[float] = None
    #: Algorithmic latency in milliseconds; None in full mode.
    latency_ms: Optional[float] = None
    #: Bytes of the file without masked blocks.
    blocks_file_bytes: Optional[int] = seldom()
    #: Seconds of computing one chunk per second of audio in it.
    chunk_rtf: Optional[float] = seldom()
    #: Milliseconds of computing one chunk, and of the audio in it.
    chunk_ms: Optional[float] = seldom()
    chunk_audio_ms: Optional[float] = seldom()


@dataclass(frozen=True)
class Curve:
    """Epochs of the shared trainings and then the model's own; nan where unknown.

    Error rates on the development set are in percent.
    """

    curve_epochs: Optional[Numbers] = _text(".0f")
    dev_cer_by_epoch: Optional[Numbers] = _text(".5g")
    dev_loss_by_epoch: Optional[Numbers] = _text(".5g")


@dataclass(frozen=True)
class TestSet:
    """Names and numbers of words of the utterances that rows were scored on."""

    __test__ = False  # no test class of pytest

    names: tuple[str, ...]
    words: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One model: that is, method, variant, layers, size and seed."""

    identity: Identity
    size: Size = Size()
    quality: Quality = Quality()
    #: Cost of its own training, without the shared run.
    training: TrainingCost = TrainingCost()
    running: Running = Running()
    #: None where models have one mode.
    dual_mode: Optional[DualMode] = None
    curve: Curve = Curve()
    #: What was measured on the files of its exports.
    exports: tuple[ExportedFile, ...] = seldom_list(ExportedFile)
    #: What there was no file or no number for.
    missing: tuple[str, ...] = ()
    #: Whether it comes from an earlier results.json, because its folder was not among
    #: those given last.
    retained: bool = key("kept", False, seldom=True)
    #: Keys of results.json that no field has: metrics whose source is a `FileValue`,
    #: and what other versions wrote.
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder, or what else names this one model."""
        one = self.identity
        return one.folder or (
            f"{one.method} {one.variant} {Shape(one.layers, one.width)} layers, seed "
            f"{one.seed}"
        )

    @property
    def mode(self) -> Optional[str]:
        """``full`` or ``streaming``; None where models have one mode."""
        return self.dual_mode.mode if self.dual_mode else None
