"""Early exits: one model with intermediate CTC losses, cut off at each size."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.checkpoints.plain import config_with_exits, plain_config, plain_state
from espnet_plugin.distill.starts import INITS
from espnet_plugin.distill.students import choose_layers
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.plain import averaged_file, fine_tune, train_plain_model

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """Options of the method.

    Attributes:
        interctc_weight: Weight of the intermediate losses, 0 to 1; the rest is the
            weight of the last layer's loss. Negative: all sizes have equal weights.
        layers: Layers of the reference that initialise the model: ``random`` (none),
            ``first``, ``last`` or ``spaced``.
    """

    interctc_weight: float = -1.0
    layers: str = "random"

    def __post_init__(self):
        if not self.interctc_weight <= 1:
            raise UserError(
                f"interctc_weight {self.interctc_weight}: must be 1 or less"
            )
        if self.layers not in INITS:
            raise UserError(
                f"layers {self.layers!r}: must be one of {', '.join(INITS)}"
            )


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train the largest size once and cut the smaller ones out of it.

    See :func:`espnet_plugin.checkpoints.plain.config_with_exits`.

    Raises:
        UserError: If there are fewer than two sizes, or a folder holds a different
            training.
    """
    sizes = sorted(job.sizes, reverse=True)
    if len(sizes) < 2:
        raise UserError(
            f"--sizes {' '.join(map(str, sizes))}: early_exit needs at least two "
            "sizes, e.g. --sizes '6 4 2'"
        )
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
        # The norm after the last layer is also applied to the output of each exit.
        averaged = averaged_file(shared, job.training, ctc_alone=True)
        state = plain_state(averaged, range(size))
        config = plain_config(job.reference.config(), size)
        # Its cost is that of the shared training.
        meta = job.meta(size, shared=shared.name)
        job.write_model(experiment, config, state, meta, of_reference=copied)
    if copied:
        job.check_reference(experiment.folder)
    return experiment.folder
