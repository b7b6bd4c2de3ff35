"""The same architectures from random weights, with CTC alone."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.jobs.plain import train_plain_model

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """None."""


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train a model of each size."""
    for size in job.sizes:
        model = job.reference.config(size)
        train_plain_model(
            job.folder(size),
            {**model, **job.training_of(size)},
            job.options(),
            job.meta(size),
        )
    return [job.folder(size) for size in job.sizes]
