"""The cost of a whole family of models over all sizes; shared runs count once."""

from dataclasses import dataclass
from typing import Any, Iterable

from espnet_plugin.results.cost import (
    Cost,
    mean_cost,
    own_cost,
    shared_cost,
    sum_cost,
)
from espnet_plugin.results.retained import Retained, retained_of
from espnet_plugin.results.row import Row
from espnet_plugin.results.shared_run import Runs, chain_of
from espnet_plugin.shape import Shape, largest_first

__all__ = ["Family", "family_costs"]


@dataclass(frozen=True)
class Family:
    """All sizes of one method and variant, and the cost of making them.

    Attributes:
        method: Method of all sizes.
        variant: Variant of all sizes.
        sizes: The sizes (see `Identity.shape`), largest first.
        sets: Number of sets of all sizes (seeds) over which the costs are averaged.
        own: Sum of the sizes' own costs.
        shared: Cost of the runs they share, each counted once.
        retained: The parts taken from an earlier results.json.
    """

    method: str
    variant: str
    sizes: tuple[Shape, ...]
    sets: int
    own: Cost
    shared: Cost
    retained: Retained = Retained()

    @property
    def label(self) -> str:
        """Name of the family: method and variant."""
        return f"{self.method} {self.variant}".strip()

    @property
    def has_shared(self) -> bool:
        """Whether a part of the cost is that of shared runs."""
        return self.shared["train_flops"] != 0

    @property
    def whole(self) -> Cost:
        """Cost of all sizes together."""
        return self.own + self.shared

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "variant": self.variant,
            "layers": [size.to_json() for size in self.sizes],
            "sets": self.sets,
            "kept": list(self.retained.names),
            "own_cost": dict(self.own.figures),
            "shared_cost": dict(self.shared.figures),
            "whole_cost": dict(self.whole.figures),
        }


def family_costs(rows: Iterable[Row], runs: Runs) -> tuple[Family, ...]:
    """Return the costs of all sizes of each method, with shared runs counted once.

    A set is the rows of one method, variant and seed. Only complete sets, with all
    sizes of the method and variant, are used, and only methods with at least two sizes
    are listed.
    """
    sets: dict[tuple[str, str], dict[int, dict[Shape, Row]]] = {}
    for row in rows:
        one = row.identity
        by_seed = sets.setdefault((one.method, one.variant), {})
        by_seed.setdefault(one.seed, {})[one.shape] = row
    families = []
    for (method, variant), by_seed in sets.items():
        sizes = largest_first({size for one in by_seed.values() for size in one})
        complete = [
            list(one.values()) for one in by_seed.values() if len(one) == len(sizes)
        ]
        if len(sizes) < 2 or not complete:
            continue
        families.append(
            Family(
                method=method,
                variant=variant,
                sizes=tuple(sizes),
                sets=len(complete),
                own=mean_cost([sum_cost(list(map(own_cost, one))) for one in complete]),
                shared=mean_cost([_shared(one, runs) for one in complete]),
                retained=retained_of([row for one in complete for row in one], runs),
            )
        )
    return tuple(families)


def _shared(rows: Iterable[Row], runs: Runs) -> Cost:
    # A run on which several sizes are built, directly or indirectly, is counted once.
    chains = [chain_of(row.identity.shared_run, runs) for row in rows]
    return shared_cost(sorted({name for chain in chains for name in chain}), runs)
