"""Layers of the reference, fine-tuned with CTC or as they are, without EncRL."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.cost.log import write_no_cost
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.jobs.training_job import training_job

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        layers: ``first``, ``last`` or ``spaced``; see
            :func:`espnet_plugin.distill.students.choose_layers`.
        trained: Whether they are fine-tuned. A reference with intermediate CTC is a
            recogniser up to such a layer already.
    """

    layers: str = "last"
    trained: bool = True


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Make a model of each size."""
    # All before the first is trained: a wrong size should not cost hours.
    chosen = {
        size: choose_layers(job.reference.num_layers, size, options.layers)
        for size in job.sizes
    }
    make = _fine_tune if options.trained else _cut
    return [make(job, size, layers) for size, layers in chosen.items()]


def _fine_tune(job: BaselineJob, size: int, layers: list[int]) -> Path:
    config, state = job.reference.config(size), job.reference.layers_state(layers)
    return job.fine_tune(size, config, state, kept_layers=layers)


def _cut(job: BaselineJob, size: int, layers: list[int]) -> Path:
    folder = job.folder(size)
    request = {"reference": job.reference.sha256, "layers": layers}
    with training_job(folder, request) as todo:
        if todo is not None:
            write_no_cost(folder)
            state = job.reference.layers_state(layers)
            meta = job.meta(size, kept_layers=layers)
            job.write_model(folder, job.reference.config(size), state, meta)
    return folder
