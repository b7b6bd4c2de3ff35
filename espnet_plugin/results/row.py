"""One model's row of ``results.json``, as nested values by topic; None: not known.

A field has the name of its key in the file, or says under "key" which other one it is.
"""

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional

from espnet_plugin.results.size import size_text

__all__ = [
    *("Curve", "DualMode", "Identity", "Interval", "Numbers", "Quality", "Row"),
    *("Running", "Size", "TestSet", "TrainingCost", "text_of"),
]

Interval = tuple[float, float]
Numbers = tuple[float, ...]

# What most models do not have: the file lacks the key where it is not known.
_SELDOM = {"seldom": True}


def text_of(digits: str, **metadata: Any) -> Any:
    """Declare numbers that the file has as one string, since people read it too."""
    return field(default=None, metadata={"text": digits, **metadata})


_COUNTS: Any = {"digits": ".0f", **_SELDOM}


@dataclass(frozen=True)
class Identity:
    """Which model it is; rows are the same row if the first five are equal.

    Attributes:
        method: ``encrl``, ``scratch`` and so on; ``espnet`` for any other folder.
        variant: What distinguishes it within the method; may be empty.
        layers: Layers of the encoder; 0 where that is not known.
        size: Layers of a model of as many parameters; mostly ``layers``.
        seed: Seed of its training.
        folder: Name of its experiment folder.
        checkpoint: Name of its checkpoint file.
        shared_run: Name of the training that it is built on.
        reference: Beginning of the SHA-256 of the reference's checkpoint that it
            learnt from, where its folder says it.
        decoding: Whose scores these are.
    """

    method: str
    variant: str
    layers: int
    size: int
    seed: int
    folder: Optional[str] = field(default=None, metadata={"key": "dir"})
    checkpoint: Optional[str] = None
    shared_run: Optional[str] = field(default=None, metadata={"key": "shared"})
    reference: Optional[str] = field(default=None, metadata=_SELDOM)
    decoding: Optional[str] = None

    @property
    def group_key(self) -> tuple[str, str, int, int]:
        """What the seeds of one model have in common."""
        return self.method, self.variant, self.layers, self.size

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        """What makes two rows the same row."""
        return (*self.group_key, self.seed)

    @property
    def name(self) -> str:
        """Method and variant."""
        return f"{self.method} {self.variant}".strip()

    @property
    def label(self) -> str:
        """Method, variant and size: what the model is called in a sentence."""
        return f"{self.name} {size_text(self.layers, self.size)}"


@dataclass(frozen=True)
class Size:
    """How large it is: parameters, those that are not zero, bytes of the checkpoint."""

    params: Optional[int] = None
    params_nonzero: Optional[int] = None
    file_bytes: Optional[int] = None


@dataclass(frozen=True)
class Quality:
    """Error rates; rates and 95 % intervals in percent.

    Attributes:
        test_wer: Word error rate on the test set.
        test_words: Words of its references.
        wer_ci95: Interval over ``bootstrap_unit``.
        wer_ci95_speakers: Interval over speakers; None where there are not several.
        test_cer: Character error rate on the test set.
        cer_ci95: Its interval.
        dev_wer: Word error rate on the development set.
        dev_wer_ci95: Its interval.
        bootstrap_unit: What a bootstrap draws: ``utterance`` (also if None) or
            ``speaker``.
        test_errors_by_unit: Word errors of each unit, so that systems can be compared
            from results.json alone; and so on.
        test_set: Key of the test set in ``Entries.test_sets``.
    """

    test_wer: Optional[float] = None
    test_words: Optional[int] = None
    wer_ci95: Optional[Interval] = None
    wer_ci95_speakers: Optional[Interval] = None
    test_cer: Optional[float] = None
    cer_ci95: Optional[Interval] = None
    dev_wer: Optional[float] = None
    dev_wer_ci95: Optional[Interval] = None
    bootstrap_unit: Optional[str] = field(default=None, metadata=_SELDOM)
    test_errors_by_unit: Optional[Numbers] = text_of(**_COUNTS)
    test_words_by_unit: Optional[Numbers] = text_of(**_COUNTS)
    test_char_errors_by_unit: Optional[Numbers] = text_of(**_COUNTS)
    test_chars_by_unit: Optional[Numbers] = text_of(**_COUNTS)
    test_errors_by_speaker: Optional[Numbers] = text_of(**_COUNTS)
    test_words_by_speaker: Optional[Numbers] = text_of(**_COUNTS)
    dev_errors_by_unit: Optional[Numbers] = text_of(**_COUNTS)
    dev_words_by_unit: Optional[Numbers] = text_of(**_COUNTS)
    test_set: Optional[str] = None


@dataclass(frozen=True)
class TrainingCost:
    """What a training took.

    Attributes:
        train_seconds: Wall-clock time of the training steps.
        valid_seconds: Wall-clock time on the development set.
        cpu_seconds: Processor time of the training process, all threads.
        train_flops: Floating-point operations of the model itself.
        teacher_flops: Floating-point operations of the frozen teacher.
        audio_seconds: Audio that the model was shown, all epochs.
        epochs: How many.
        cpu_without_cache: Whether ``cpu_seconds`` leaves out the pass that filled the
            teacher's cache.
    """

    train_seconds: Optional[float] = None
    valid_seconds: Optional[float] = None
    cpu_seconds: Optional[float] = None
    train_flops: Optional[float] = None
    teacher_flops: Optional[float] = None
    audio_seconds: Optional[float] = None
    epochs: Optional[int] = None
    cpu_without_cache: Optional[bool] = field(default=None, metadata=_SELDOM)


@dataclass(frozen=True)
class Running:
    """What running a model takes.

    Attributes:
        encoder_rtf: Encoder seconds per second of audio, median of the runs.
        rtf_load: One-minute load of the machine just before.
        rtf_threads: Threads of the measurement.
        macs_per_audio_second: Multiply-adds per second of audio.
        macs_audio_seconds: Length of the utterance they were counted on.
        peak_memory_mb: 10^6 bytes of a forward pass on top of the loaded model.
    """

    encoder_rtf: Optional[float] = None
    rtf_load: Optional[float] = None
    rtf_threads: Optional[int] = None
    macs_per_audio_second: Optional[float] = None
    macs_audio_seconds: Optional[float] = None
    peak_memory_mb: Optional[float] = None


@dataclass(frozen=True)
class DualMode:
    """What only recognisers with two modes have.

    Attributes:
        mode: ``full`` or ``streaming``.
        sparsity: Share of the weights within reach of the masks that is masked.
        latency_ms: Algorithmic latency in milliseconds; None in full mode.
        blocks_file_bytes: Bytes of the file without masked blocks.
        chunk_rtf: Seconds of computing one chunk per second of audio in it.
        chunk_ms: Milliseconds of computing one chunk.
        chunk_audio_ms: Milliseconds of audio in it.
    """

    mode: Optional[str] = None
    sparsity: Optional[float] = None
    latency_ms: Optional[float] = None
    blocks_file_bytes: Optional[int] = field(default=None, metadata=_SELDOM)
    chunk_rtf: Optional[float] = field(default=None, metadata=_SELDOM)
    chunk_ms: Optional[float] = field(default=None, metadata=_SELDOM)
    chunk_audio_ms: Optional[float] = field(default=None, metadata=_SELDOM)


@dataclass(frozen=True)
class Curve:
    """Epochs of the shared trainings and then the model's own; nan where unknown.

    Error rates on the development set are in percent.
    """

    curve_epochs: Optional[Numbers] = text_of(".0f")
    dev_cer_by_epoch: Optional[Numbers] = text_of(".5g")
    dev_loss_by_epoch: Optional[Numbers] = text_of(".5g")


@dataclass(frozen=True)
class TestSet:
    """Names and numbers of words of the utterances that rows were scored on."""

    __test__ = False  # no test class of pytest

    names: tuple[str, ...]
    words: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One model: that is, method, variant, layers, size and seed.

    Attributes:
        identity: Which model it is.
        size: Its parameters and file.
        quality: Its error rates.
        training: Cost of its own training, without the shared run.
        running: What running it takes.
        dual_mode: Where models have two modes, else None.
        curve: Its learning curve.
        missing: What there was no file or no number for.
        retained: Whether it comes from an earlier results.json, because its folder was
            not among those given last.
        more: Keys of results.json that no field has: metrics whose source is a
            `FileValue`, and what other versions wrote.
    """

    identity: Identity
    size: Size = Size()
    quality: Quality = Quality()
    training: TrainingCost = TrainingCost()
    running: Running = Running()
    dual_mode: Optional[DualMode] = None
    curve: Curve = Curve()
    missing: tuple[str, ...] = ()
    retained: bool = field(default=False, metadata={"key": "kept", **_SELDOM})
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder, or what else names this one model."""
        one = self.identity
        return one.folder or (
            f"{one.method} {one.variant} {one.layers} layers, seed {one.seed}"
        )

    @property
    def mode(self) -> Optional[str]:
        """``full`` or ``streaming``; None where models have one mode."""
        return self.dual_mode.mode if self.dual_mode else None
