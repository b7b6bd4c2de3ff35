"""Self-pinching gates: pruning by learnt thresholds in one pass, at the same speed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.baselines.pruned import train_pruned
from espnet_plugin.errors import UserError

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """Options of the method; see :class:`espnet_plugin.pruning.gates.GatePruner`.

    Attributes:
        eta: Weight of the penalty by size; smaller sizes need larger weights.
        threshold: Initial value of the thresholds.
        without: Sub-modules that stay dense.
    """

    eta: Mapping[int, float] = field(default_factory=dict)
    threshold: float = 1e-5
    without: Sequence[str] = ()


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Prune to the number of parameters of each size while fine-tuning.

    Raises:
        UserError: If an option is wrong, or a target is not reached.
    """
    lacking = [size for size in job.sizes if size not in options.eta]
    if lacking:
        raise UserError(f"options.eta has no value for {lacking} layers: add them")
    try:
        eta = {size: float(value) for size, value in options.eta.items()}
    except (TypeError, ValueError) as error:
        raise UserError(
            f"options.eta {dict(options.eta)}: must have a number for each size "
            f"({error})"
        ) from error
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
