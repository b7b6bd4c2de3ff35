"""Requests: everything that determines the result of a job.

A request is written to ``request.json`` of the job's folder, under the names of its
fields. The key ``inputs`` of this file has the same with data and files identified by
their content (:mod:`espnet_plugin.jobs.inputs`); it is compared when the folder is used
again.
"""

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

__all__ = [
    "CutRequest",
    "DirectRequest",
    "DistillationRequest",
    "DualModeRequest",
    "EncRLRequest",
    "LMRequest",
    "PlainRequest",
    "PretrainingRequest",
    "RecogniserRequest",
    "TaughtDualModeRequest",
    "TrainingRequest",
    "UntrainedRequest",
]


@dataclass(frozen=True)
class TrainingRequest:
    """A training of one of our tasks.

    Attributes:
        config: Training configuration, as in a YAML file.
        options: Further options of ESPnet, without those that differ between processes.
    """

    config: Mapping[str, Any]
    options: Sequence[str]


@dataclass(frozen=True)
class PlainRequest(TrainingRequest):
    """A training of a plain model.

    Attributes:
        init: Digest of the initial checkpoint, or the text ``None``.
    """

    init: str


@dataclass(frozen=True)
class DistillationRequest(TrainingRequest):
    """A training that uses the reference while it runs.

    Attributes:
        reference: Digest of the reference's checkpoint.
    """

    reference: Optional[str]


@dataclass(frozen=True)
class PretrainingRequest(TrainingRequest):
    """A pre-training without transcripts.

    Attributes:
        seed: Seed of the training.
    """

    seed: int


@dataclass(frozen=True)
class LMRequest(TrainingRequest):
    """A training of a language model.

    Attributes:
        row: Content of the row's file; empty for the dense model.
        step: Step of the row, from 0.
        source: Digest of the checkpoint that is compressed or trained further; None for
            random weights.
    """

    row: Mapping[str, Any]
    step: int
    source: Optional[str]


@dataclass(frozen=True)
class EncRLRequest(TrainingRequest):
    """An EncRL pre-training.

    Attributes:
        seed: Seed of the training.
        reference: Digest of the reference's checkpoint, which may be replaced under the
            same name.
    """

    seed: int
    reference: Optional[str]


@dataclass(frozen=True)
class DualModeRequest(TrainingRequest):
    """A dual-mode training.

    Attributes:
        start: Digest of the initial checkpoint, treatment of the masks (``restart`` or
            ``keep``), whether the output layers are copied as well and, if it starts
            from the reference, which layers.
    """

    start: tuple[Any, ...]


@dataclass(frozen=True)
class TaughtDualModeRequest(DualModeRequest):
    """A dual-mode training that learns, or starts, from a reference.

    Attributes:
        reference: Digest of the reference's checkpoint.
    """

    reference: str


@dataclass(frozen=True)
class CutRequest:
    """A model that is cut out of a family trained together.

    Attributes:
        family: Name of the training's folder.
        layers: Number of layers.
        encrl_sha256: Digest of the checkpoint that it is cut from.
    """

    family: str
    layers: int
    encrl_sha256: str


@dataclass(frozen=True)
class DirectRequest:
    """A model that is taken from an EncRL run without fine-tuning.

    Attributes:
        encrl: Name of the run's folder.
        layers: Layers that are kept, counted from 0.
        encrl_sha256: Digest of the checkpoint that it is cut from.
    """

    encrl: str
    layers: Sequence[int]
    encrl_sha256: str


@dataclass(frozen=True)
class UntrainedRequest:
    """A model with random weights.

    Attributes:
        reference_config: Configuration that has the architecture.
        seed: Seed of the weights.
    """

    reference_config: str
    seed: int


@dataclass(frozen=True)
class RecogniserRequest:
    """A recogniser for one mode of a trained supernet.

    Attributes:
        supernet: Digest of the supernet's checkpoint.
        mode: ``full`` or ``streaming``.
    """

    supernet: str
    mode: str
