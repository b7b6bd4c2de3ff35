"""The cost of making models: their own training, and the shared runs before it.

A sum or a mean is unknown if any part is unknown, because it would be too small.
"""

from dataclasses import dataclass
from typing import Iterable, Mapping, Optional, Sequence

from espnet_plugin.results.metric import mean_if_all_known, sum_if_known
from espnet_plugin.results.metrics import cost_metrics
from espnet_plugin.results.row import Row
from espnet_plugin.results.shared_run import Runs

__all__ = ["Cost", "mean_cost", "own_cost", "shared_cost", "sum_cost"]


@dataclass(frozen=True)
class Cost:
    """Costs of one or several trainings, by the names of the cost metrics."""

    figures: Mapping[str, Optional[float]]

    def __getitem__(self, name: str) -> Optional[float]:
        return self.figures[name]

    def __add__(self, other: "Cost") -> "Cost":
        return sum_cost([self, other])

    @property
    def flops(self) -> Optional[float]:
        """Operations of training and teacher together."""
        return sum_if_known([self["train_flops"], self["teacher_flops"]])


def own_cost(row: Row) -> Cost:
    """Cost of the row's own training."""
    return Cost({one.name: one.of(row) for one in cost_metrics()})


def shared_cost(names: Iterable[str], runs: Runs) -> Cost:
    """Return the full cost of shared runs; zero if none is named."""
    named = [runs.get(name) for name in names]
    return Cost(
        {
            one.name: sum_if_known([run and one.of(run) for run in named])
            for one in cost_metrics()
        }
    )


def sum_cost(costs: Sequence[Cost]) -> Cost:
    """Return the sum of each figure."""
    return Cost(
        {
            one.name: sum_if_known([cost[one.name] for cost in costs])
            for one in cost_metrics()
        }
    )


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """Return the mean of each figure."""
    return Cost(
        {
            one.name: mean_if_all_known([cost[one.name] for cost in costs])
            for one in cost_metrics()
        }
    )
