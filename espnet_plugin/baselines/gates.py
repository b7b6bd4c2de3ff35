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

    def __post_init__(self):
        for size, value in self.eta.items():
            try:
                right = float(value) >= 0  # YAML reads 2e-5 as text
            except (TypeError, ValueError):
                right = False
            if not right:
                raise UserError(
                    f"eta {dict(self.eta)}: must have a number for each size, 0 or "
                    f"more; that of {size} is {value!r}"
                )
        if not self.threshold >= 0:
            raise UserError(f"threshold {self.threshold}: must be 0 or more")


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Prune to the number of parameters of each size while fine-tuning.

    Raises:
        UserError: If an option is wrong, or a target is not reached.
    """
    lacking = [size for size in job.sizes if size not in options.eta]
    if lacking:
        raise UserError(f"options.eta has no value for {lacking} layers: add them")
    eta = {size: float(value) for size, value in options.eta.items()}
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
