"""Layers of the reference, fine-tuned with CTC, without EncRL."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.distill.students import choose_layers

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        layers: ``first``, ``last`` or ``spaced``; see
            :func:`espnet_plugin.distill.students.choose_layers`.
    """

    layers: str = "last"


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train a model of each size."""
    # All before the first is trained: a wrong size should not cost hours.
    chosen = {
        size: choose_layers(job.reference.num_layers, size, options.layers)
        for size in job.sizes
    }
    return [
        job.fine_tune(
            size,
            job.reference.config(size),
            job.reference.layers_state(layers),
            kept_layers=layers,
        )
        for size, layers in chosen.items()
    ]
