"""Self-pinching gates: one-pass pruning by learnt thresholds; the same speed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.baselines.pruned import train_pruned
from espnet_plugin.errors import UserError

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen; see :class:`espnet_plugin.pruning.gates.GatePruner`.

    Attributes:
        eta: Weight of the penalty, by size; the more is to be removed, the larger.
        threshold: Value that the thresholds start from.
        without: Sub-modules to leave dense.
    """

    eta: Mapping[int, float] = field(default_factory=dict)
    threshold: float = 1e-5
    without: Sequence[str] = ()


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Fine-tune down to the parameter count of each size."""
    lacking = [size for size in job.sizes if size not in options.eta]
    if lacking:
        raise UserError(f"options.eta has no value for {lacking} layers")
    try:
        eta = {size: float(value) for size, value in options.eta.items()}
    except (TypeError, ValueError) as error:
        raise UserError(f"options.eta {dict(options.eta)}: {error}") from error
    return [
        train_pruned(
            job,
            size,
            "gates",
            {"eta": eta[size], "threshold": options.threshold},
            options.without,
            variant=job.as_size(size),
        )
        for size in job.sizes
    ]
