"""Train the models of one baseline, as its configuration says."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.baselines.config import (
    BaselineConfig,
    read_baseline,
    with_learning_rate,
)
from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.baselines.reference import Reference
from espnet_plugin.experiment.folder import ModelFiles
from espnet_plugin.shape import Shape

__all__ = ["run_baseline"]


def run_baseline(
    file: Path,
    reference: ModelFiles,
    sizes: Sequence[Union[int, Shape]],
    data_options: Sequence[str],
    output: str,
    seed: int,
    training: Optional[Path] = None,
    max_epoch: Optional[int] = None,
    max_lr: Optional[float] = None,
    variant: Optional[str] = None,
    teacher_cache: Optional[str] = None,
) -> list[Path]:
    """Train the models of a baseline; finished ones are not trained again.

    Args:
        file: The baseline's configuration; see
            :func:`~espnet_plugin.baselines.config.read_baseline`.
        reference: The reference; methods that start from random weights need no
            checkpoint.
        sizes: Numbers of encoder layers, or shapes with a width other than the
            reference's; methods that cannot make the latter skip them with a warning.
        data_options: ESPnet's options for the data.
        output: Prefix of the folders; ``_<size>l`` is added.
        seed: Seed of the training.
        training: Training configuration instead of the file's, with its own number of
            epochs.
        max_epoch: Number of epochs instead of the training configuration's.
        max_lr: Peak learning rate instead of the training configuration's, in the
            optimiser and, if it has one, in the scheduler. It is added to the name of
            the variant, so that the tables show models of several rates side by side.
        variant: Name of the variant instead of the file's.
        teacher_cache: See :class:`~espnet_plugin.baselines.job.BaselineJob`.

    Returns:
        The folders of the finished models.

    Raises:
        UserError: If a configuration or an option is wrong, or a folder holds a model
            that was made differently.
    """
    config = read_baseline(file)
    conf, epochs = config.read_training(training, max_epoch)
    if variant is not None:
        config = replace(config, variant=variant)
    if max_lr is not None:
        conf = with_learning_rate(conf, max_lr)
    start = Reference(reference.config, reference.checkpoint)
    plain, own_width = _sizes(config, start, sizes)
    if not plain and not own_width:
        return []
    job = BaselineJob(
        method=config.method,
        variant=config.variant_at(max_lr),
        reference=start,
        sizes=plain,
        training=conf,
        epochs=epochs,
        data_options=tuple(data_options),
        output=output,
        seed=seed,
        teacher_cache=teacher_cache,
        shapes=own_width,
    )
    return config.module.train(job, config.options)


def _sizes(
    config: BaselineConfig, reference: Reference, sizes: Sequence[Union[int, Shape]]
) -> tuple[tuple[int, ...], tuple[Shape, ...]]:
    """Return the sizes with the reference's width, and those with another one."""
    shapes = reference.check_shapes(
        size if isinstance(size, Shape) else Shape(size) for size in sizes
    )
    plain = tuple(one.layers for one in shapes if one.width is None)
    own_width = tuple(one for one in shapes if one.width is not None)
    if own_width and not config.makes_widths:
        logging.warning(
            "%s: sizes %s are skipped, because %s only makes models with the "
            "reference's width",
            config.file,
            " ".join(map(str, own_width)),
            config.method,
        )
        own_width = ()
    return plain, own_width
