"""What a job was asked for: everything that decides what comes out of it.

It is noted in ``request.json`` of the folder, under the names of the fields. What is
compared is beside them, under ``inputs``: the same with data and files by their content
(:mod:`espnet_plugin.jobs.inputs`).
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
        config: The training configuration, as a YAML file would hold it.
        options: More of ESPnet's options, without what differs between processes.
    """

    config: Mapping[str, Any]
    options: Sequence[str]


@dataclass(frozen=True)
class PlainRequest(TrainingRequest):
    """A training of a plain model.

    Attributes:
        init: Digest of the checkpoint that it starts from, or ``None`` as text.
    """

    init: str


@dataclass(frozen=True)
class DistillationRequest(TrainingRequest):
    """A training that needs the reference while it runs.

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
        row: What is asked for, as its file says it; empty for the dense model.
        step: Step of the row, from 0.
        source: Digest of the checkpoint that it is made of, None for random weights.
    """

    row: Mapping[str, Any]
    step: int
    source: Optional[str]


@dataclass(frozen=True)
class EncRLRequest(TrainingRequest):
    """An EncRL pre-training.

    Attributes:
        seed: Seed of the training.
        reference: Digest of the reference's checkpoint: another one may come to stand
            under the same name.
    """

    seed: int
    reference: Optional[str]


@dataclass(frozen=True)
class DualModeRequest(TrainingRequest):
    """A dual-mode training.

    Attributes:
        start: Digest of the checkpoint that it starts from, what becomes of the masks,
            and whether the output layers are taken as well.
    """

    start: tuple[Optional[str], str, bool]


@dataclass(frozen=True)
class TaughtDualModeRequest(DualModeRequest):
    """A dual-mode training in which a reference teaches the modes.

    Attributes:
        reference: Digest of the reference's checkpoint.
    """

    reference: str


@dataclass(frozen=True)
class CutRequest:
    """A model that is cut out of a family trained together.

    Attributes:
        family: Folder name of the training.
        layers: Number of layers.
        encrl_sha256: Digest of the checkpoint that it is cut from.
    """

    family: str
    layers: int
    encrl_sha256: str


@dataclass(frozen=True)
class DirectRequest:
    """A model as an EncRL run left it.

    Attributes:
        encrl: Name of the run's folder.
        layers: Layers that are kept.
        encrl_sha256: Digest of the checkpoint that it is cut from.
    """

    encrl: str
    layers: Sequence[int]
    encrl_sha256: str


@dataclass(frozen=True)
class UntrainedRequest:
    """A model with random weights.

    Attributes:
        reference_config: Configuration whose architecture it has.
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
