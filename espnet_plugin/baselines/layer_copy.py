"""Layers of the reference without EncRL, with or without CTC fine-tuning."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.jobs.models import PlainModel, export_once

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """Options of the method.

    Attributes:
        layers: ``first``, ``last`` or ``spaced``; see
            :func:`espnet_plugin.distill.students.choose_layers`.
        trained: Whether they are fine-tuned. With intermediate CTC in the reference,
            its first layers are a recogniser without fine-tuning.
    """

    layers: str = "last"
    trained: bool = True

    def __post_init__(self):
        choose_layers(1, 1, self.layers)

    @property
    def trains(self) -> bool:
        """Whether models are trained, for the dry run."""
        return self.trained


@dataclass(frozen=True)
class LayersRequest:
    """The request of a model without training.

    Attributes:
        reference: Digest of the reference's checkpoint.
        layers: Layers that are kept, counted from 0.
    """

    reference: Optional[str]
    layers: Sequence[int]


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Make a model of each size.

    Raises:
        UserError: If the reference has fewer layers than a size, or a folder holds a
            different training.
    """
    # All sizes are checked before the first training, which may take hours.
    chosen = {
        size: choose_layers(job.reference.num_layers, size, options.layers)
        for size in job.sizes
    }
    make = _fine_tune if options.trained else _cut
    return [make(job, size, layers) for size, layers in chosen.items()]


def _fine_tune(job: BaselineJob, size: int, layers: list[int]) -> Path:
    config, state = job.reference.config(size), job.reference.layers_state(layers)
    return job.fine_tune(size, config, state, kept_layers=tuple(layers))


def _cut(job: BaselineJob, size: int, layers: list[int]) -> Path:
    def make() -> PlainModel:
        digest = job.reference.sha256
        meta = job.meta(size, kept_layers=tuple(layers), reference_sha256=digest)
        meta = meta.but(audio_scale=job.audio_scale())
        state = job.reference.layers_state(layers)
        return PlainModel(job.reference.config(size), state, meta)

    request = LayersRequest(job.reference.sha256, layers)
    return export_once(job.folder(size), request, make).folder
