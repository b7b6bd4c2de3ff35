"""Models of the same sizes, trained from random weights with CTC only."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.jobs.plain import train_plain_model
from espnet_plugin.shape import Shape

__all__ = ["Options", "WIDTHS", "train"]

# The method makes models of any width.
WIDTHS = True


@dataclass(frozen=True)
class Options:
    """The method has no options."""


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train a model of each size.

    Raises:
        UserError: If a folder holds a different training.
    """
    shapes = [*map(Shape, job.sizes), *job.shapes]
    for shape in shapes:
        model = job.reference.config(shape.layers, shape.width)
        train_plain_model(
            job.folder(shape),
            {**model, **job.training_of(shape)},
            job.options(),
            job.meta(shape.layers, size_width=shape.width),
        )
    return [job.folder(shape) for shape in shapes]
