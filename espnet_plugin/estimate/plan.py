"""What an estimate is made of: a corpus, a plan, hardware; and what comes out."""

from dataclasses import dataclass
from typing import Sequence

__all__ = ["FLAC_BYTES", "Corpus", "Hardware", "ModelFlops", "Plan", "StageCost"]

# Per hour of audio at 16 kHz. LibriSpeech's archives of 960.9 h of FLAC have 60.03 GB.
FLAC_BYTES = 60.03e9 / 960.9


@dataclass(frozen=True)
class Corpus:
    """What is trained on.

    Attributes:
        hours: Hours of training audio, before speed perturbation.
        speeds: Speed factors, 1.0 included.
        utterance_seconds: Mean length; all utterances are taken to have it.
        segmented: Utterances are parts of longer files, which stage 2 cuts out.
        eval_hours: Hours of the sets that are decoded.
    """

    hours: float
    speeds: Sequence[float] = (1.0,)
    utterance_seconds: float = 12.3
    segmented: bool = False
    eval_hours: float = 20.0

    @property
    def epoch_hours(self) -> float:
        """Hours of one epoch: all speeds."""
        return sum(self.hours / speed for speed in self.speeds)


@dataclass(frozen=True)
class Hardware:
    """Rates; audio hours are those of the audio that is read.

    Those of audio are as ``benchmarks/audio_rates.py`` measured them (docs/scaling.md).

    Attributes:
        flops_per_second: Operations per second that one device reaches in training.
        devices: GPUs; 1 for training on the CPU.
        processes: Processes of stage 2.
        read_rate: Hours of audio checked in an hour by one process of stage 2.
        write_rate: The same where a copy of another speed, or a cut one, is written.
        stats_rate: Hours of audio in an hour of stage 3, one process.
        load_rate: Hours of audio that one loading process reads in an hour of training.
        loaders: Loading processes on each device.
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
    """One model to train or to run.

    Attributes:
        train: Operations of training on an hour of audio.
        forward: Operations of encoder and CTC layer on an hour of audio.
        params: Number of weights.
    """

    train: float
    forward: float
    params: int


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Attributes:
        reference: The large model.
        student: Trained by stage 5.
        finetuned: Trainings of stage 6: a model, and its epochs.
        models: The small models, by name; as they are trained by stage 8.
        vocabulary: Number of tokens.
        frames_per_second: Rate of the encoders' outputs.
        width: Width of the reference's encoder.
        reference_epochs: 0 if it is imported.
        encrl_epochs: Epochs of stage 5.
        alone: Models that stage 5 trains by themselves, and their epochs.
        trials: Models that stage 5 tries first for a budget, and their epochs.
        baseline_epochs: Epochs of each model in stage 8.
        num_baselines: Kinds of baselines that stage 8 trains, each taken to train like
            a model from scratch.
        num_untrained: Kinds of baselines that stage 8 cuts out without training.
        nbest: Checkpoints that a training keeps.
        updates_per_hour: Updates of the weights for an hour of audio, all devices.
        cache: The reference's outputs are computed once.
        cache_top: Tokens of a frame that the cache keeps; 0: all.
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
    """What one stage takes.

    Attributes:
        stage: Number of the stage.
        name: What it does.
        hours: Wall-clock hours.
        num_bytes: Bytes that it leaves on the disk.
        read_bytes: Bytes of audio and cache that it reads.
        sent_bytes: Bytes that each device sends to others.
        limit: What sets the pace: ``compute``, ``loading``, or ``cores``.
        finished: Whether its work is done already, so that it takes nothing.
    """

    stage: int
    name: str
    hours: float
    num_bytes: float = 0.0
    read_bytes: float = 0.0
    sent_bytes: float = 0.0
    limit: str = "compute"
    finished: bool = False
