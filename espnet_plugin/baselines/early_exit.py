"""One model trained with intermediate CTC losses, cut at every size."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.checkpoints.plain import config_with_exits, plain_config, plain_state
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.plain import averaged_file, fine_tune, train_plain_model

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        interctc_weight: Share of the intermediate losses, 0 to 1; the others' is the
            last layer's. By default all sizes count the same.
        layers: ``random``, or which of the reference's layers to start from.
    """

    interctc_weight: float = -1.0
    layers: str = "random"


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train the largest size once and cut the smaller ones out of it.

    See :func:`espnet_plugin.checkpoints.plain.config_with_exits`.
    """
    sizes = sorted(job.sizes, reverse=True)
    if len(sizes) < 2:
        raise UserError("early exits need at least two sizes, e.g. --sizes '6 4 2'")
    largest = sizes[0]
    weight = options.interctc_weight if options.interctc_weight >= 0 else None
    config = config_with_exits(job.reference.config(largest), sizes, weight)
    shared = Path(f"{job.output}_exits")
    config.update(job.training_of(largest))
    meta = Meta(
        method=job.method, variant=job.variant, seed=job.seed, serves=tuple(sizes)
    )
    copied = options.layers != "random"
    if copied:
        layers = choose_layers(job.reference.num_layers, largest, options.layers)
        fine_tune(
            shared,
            job.reference.config(largest),
            lambda: job.reference.layers_state(layers),
            config,
            job.options(),
            meta,
        )
    else:
        train_plain_model(shared, config, job.options(), meta)
    return [_cut(job, shared, size, copied) for size in job.sizes]


def _cut(job: BaselineJob, shared: Path, size: int, copied: bool) -> Path:
    experiment = Experiment(job.folder(size))
    if not experiment.meta_file.is_file():
        # An exit's output is normalised by the layer norm after the last layer, too.
        state = plain_state(averaged_file(shared, job.training), range(size))
        config = plain_config(job.reference.config(), size)
        # Its cost is the shared training's.
        meta = job.meta(size, shared=shared.name)
        job.write_model(experiment, config, state, meta, of_reference=copied)
    if copied:
        job.check_reference(experiment.folder)
    return experiment.folder
