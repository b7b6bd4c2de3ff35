"""Data of an estimate: corpus, plan and hardware, and the resulting costs."""

from dataclasses import dataclass
from typing import Sequence

__all__ = ["FLAC_BYTES", "Corpus", "Hardware", "ModelFlops", "Plan", "StageCost"]

# Bytes of an hour of FLAC at 16 kHz: LibriSpeech's archives have 60.03 GB for 960.9 h.
FLAC_BYTES = 60.03e9 / 960.9


@dataclass(frozen=True)
class Corpus:
    """Amount of audio.

    Attributes:
        hours: Hours of training audio, before speed perturbation.
        speeds: Speed factors, including 1.0.
        utterance_seconds: Mean duration in seconds, assumed for all utterances.
        segmented: Whether utterances are parts of longer files and are cut out by stage
        2.
        eval_hours: Hours of all sets that are decoded.
    """

    hours: float
    speeds: Sequence[float] = (1.0,)
    utterance_seconds: float = 12.3
    segmented: bool = False
    eval_hours: float = 20.0

    @property
    def epoch_hours(self) -> float:
        """Hours of audio in one epoch, with all speeds."""
        return sum(self.hours / speed for speed in self.speeds)


@dataclass(frozen=True)
class Hardware:
    """Rates of the hardware, in hours of audio per hour of work.

    The defaults were measured by ``benchmarks/audio_rates.py`` (docs/scaling.md).

    Attributes:
        flops_per_second: Operations per second that one device reaches in training.
        devices: Number of GPUs; 1 for training on the CPU.
        processes: Number of processes of stage 2.
        read_rate: Rate at which one process of stage 2 checks audio.
        write_rate: Rate at which one process of stage 2 writes audio (copies with a
            different speed, or cut utterances).
        stats_rate: Rate of stage 3, with one process.
        load_rate: Rate at which one loading process reads audio in training.
        loaders: Number of loading processes for each device.
    """

    flops_per_second: float
    devices: int = 1
    processes: int = 2
    read_rate: float = 2400.0
    write_rate: float = 800.0
    stats_rate: float = 780.0
    load_rate: float = 2900.0
    loaders: int = 1


@dataclass(frozen=True)
class ModelFlops:
    """Operations and size of a model.

    Attributes:
        train: Operations of training on an hour of audio.
        forward: Operations of the forward pass of encoder and CTC layer on an hour of
        audio.
        params: Number of weights.
    """

    train: float
    forward: float
    params: int


@dataclass(frozen=True)
class Plan:
    """Models and epochs of the stages.

    Attributes:
        reference: The large model.
        student: The student of stage 5.
        finetuned: Trainings of stage 6: models and their epochs.
        models: The small models of stage 8, by name.
        vocabulary: Number of tokens.
        frames_per_second: Frame rate of the encoders' outputs in Hz.
        width: Width of the reference's encoder.
        reference_epochs: Epochs of the reference; 0 if it is imported.
        encrl_epochs: Epochs of stage 5.
        alone: Models that stage 5 trains separately, and their epochs.
        trials: Models that stage 5 tries first for a budget, and their epochs.
        baseline_epochs: Epochs of each model in stage 8.
        num_baselines: Number of baselines that stage 8 trains, each assumed to train
            like a model from scratch.
        num_untrained: Number of baselines that stage 8 cuts out without training.
        nbest: Number of checkpoints that a training keeps.
        updates_per_hour: Updates of the weights per hour of audio, on all devices.
        cache: Whether the reference's outputs are cached.
        cache_top: Number of tokens per frame in the cache; 0: all.
    """

    reference: ModelFlops
    student: ModelFlops
    finetuned: Sequence[tuple[ModelFlops, float]]
    models: dict[str, ModelFlops]
    vocabulary: int
    frames_per_second: float
    width: int
    reference_epochs: float
    encrl_epochs: float
    baseline_epochs: float
    num_baselines: int = 1
    num_untrained: int = 0
    nbest: int = 5
    updates_per_hour: float = 4.0
    cache: bool = False
    cache_top: int = 0
    alone: Sequence[tuple[ModelFlops, float]] = ()
    trials: Sequence[tuple[ModelFlops, float]] = ()


@dataclass(frozen=True)
class StageCost:
    """Cost of one stage.

    Attributes:
        stage: Number of the stage.
        name: What it does.
        hours: Wall-clock hours.
        num_bytes: Bytes that it leaves on disk.
        read_bytes: Bytes of audio and cache that it reads.
        sent_bytes: Bytes that each device sends to others.
        limit: What limits the speed: ``compute``, ``loading``, or ``cores``.
        finished: Whether the stage is finished already and costs nothing.
    """

    stage: int
    name: str
    hours: float
    num_bytes: float = 0.0
    read_bytes: float = 0.0
    sent_bytes: float = 0.0
    limit: str = "compute"
    finished: bool = False
