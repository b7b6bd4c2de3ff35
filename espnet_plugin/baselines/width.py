"""Keep all layers, remove their least important units, and fine-tune."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.baselines.reference import Reference
from espnet_plugin.checkpoints.load import build_asr_model
from espnet_plugin.errors import UserError
from espnet_plugin.pruning.width import narrow_conformer, narrow_feed_forward

__all__ = ["Options", "choose_width", "train"]


@dataclass(frozen=True)
class Options:
    """Options of the method.

    Attributes:
        model_width: Whether the width of the whole encoder is reduced, with the
            feed-forward units in proportion. Otherwise only the feed-forward units are
            reduced, and sizes that cannot be reached are skipped.
    """

    model_width: bool = True


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train models with at most as many parameters as each size.

    Raises:
        UserError: If a size cannot be reached, or a folder holds a different training.
    """
    configs: dict[int, dict[str, Any]] = {}
    for size in job.sizes:
        most = job.reference.params(size)
        try:
            configs[size] = choose_width(job.reference, most, options.model_width)
        except UserError as error:
            if options.model_width or size == max(job.sizes):
                raise
            logging.warning("size %d is skipped: %s", size, error)
    return [_train_one(job, size, config, options) for size, config in configs.items()]


def _train_one(
    job: BaselineJob, size: int, config: dict[str, Any], options: Options
) -> Path:
    conf = config["encoder_conf"]
    units, width = conf["linear_units"], conf["output_size"]
    logging.info("as %d layers: width %d, %d feed-forward units", size, width, units)
    state = job.reference.state
    if options.model_width:
        state = narrow_conformer(state, conf["attention_heads"], width, units)
    else:
        state = narrow_feed_forward(state, units)
    return job.fine_tune(
        size,
        config,
        state,
        variant=job.as_size(size),
        linear_units=units,
    )


def choose_width(
    reference: Reference, most: int, model_width: bool = True
) -> dict[str, Any]:
    """Return the configuration of the widest model with at most ``most`` parameters.

    Args:
        reference: The reference.
        most: Largest number of parameters.
        model_width: See :class:`Options`.

    Raises:
        UserError: If even the narrowest model has more parameters.
    """
    config = reference.config()
    conf = config["encoder_conf"]
    # Defaults of ESPnet, which a configuration may omit.
    heads = conf.setdefault("attention_heads", 4)
    full, units = conf.setdefault("output_size", 256), conf.setdefault(
        "linear_units", 2048
    )
    step = heads if heads % 2 == 0 else 2 * heads

    def narrowed(number: int) -> dict[str, Any]:
        if not model_width:
            return {**config, "encoder_conf": {**conf, "linear_units": number}}
        width = number * step
        new = {
            **conf,
            "output_size": width,
            "linear_units": max(1, units * width // full),
        }
        return {**config, "encoder_conf": new}

    def fits(number: int) -> bool:
        model, _ = build_asr_model(narrowed(number), reference.config_file)
        return sum(p.numel() for p in model.parameters()) <= most

    low, high = 1, full // step if model_width else units
    if not fits(low):
        what = "width" if model_width else "feed-forward units"
        raise UserError(
            f"cutting only the {what} cannot reduce the model to {most} parameters"
            + (
                ""
                if model_width
                else ": set options: {model_width: true}, which reduces it further"
            )
        )
    while low < high:  # the largest that fits, by halving
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return narrowed(low)
