"""Over sizes: what a whole family of models costs, what they share counted once.

Computed from the rows and the shared runs of ``results.json``, as `aggregate` is.
"""

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

from espnet_plugin.results.kept import Kept, kept_of
from espnet_plugin.results.row_cost import (
    COST_KEYS,
    Cost,
    add_costs,
    mean_cost,
    run_names,
    runs_cost,
    sum_cost,
)
from espnet_plugin.results.size import row_size

__all__ = ["Family", "family_costs"]

# The rows of one seed, by size.
OneSet = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Family:
    """All sizes of one method and variant, and what making them all costs.

    Attributes:
        method: Of all sizes.
        variant: Of all sizes.
        layers: The sizes (see `size`), largest first.
        sets: Over how many sets of all sizes (seeds) the costs are means.
        own: Sum over the sizes.
        shared: Of the trainings they share, each counted once.
        kept: What of it is of an earlier results.json.
    """

    method: str
    variant: str
    layers: tuple[int, ...]
    sets: int
    own: Cost
    shared: Cost
    kept: Kept = Kept()

    @property
    def name(self) -> str:
        """Method and variant."""
        return f"{self.method} {self.variant}".strip()

    @property
    def whole(self) -> Cost:
        """Cost of all sizes together."""
        return add_costs(self.own, self.shared)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "variant": self.variant,
            "layers": list(self.layers),
            "sets": self.sets,
            "kept": list(self.kept.names),
            "own_cost": self.own,
            "shared_cost": self.shared,
            "whole_cost": self.whole,
        }


def family_costs(rows: Sequence[Mapping], shared: Iterable[Mapping]) -> list[Family]:
    """Cost of all sizes of a method together, shared trainings counted once.

    A set is the rows of one method, variant and seed; only sets with every size of
    their method and variant count, and only methods with two sizes or more are listed.

    Args:
        rows: Of results.json.
        shared: Of results.json.
    """
    runs = {entry["name"]: entry for entry in shared}
    sets: dict[tuple, dict[int, dict[int, Mapping]]] = {}
    for row in rows:
        by_seed = sets.setdefault((row["method"], row.get("variant") or ""), {})
        by_seed.setdefault(row["seed"], {})[row_size(row)] = row
    families = []
    for (method, variant), by_seed in sets.items():
        sizes = sorted({size for one in by_seed.values() for size in one}, reverse=True)
        complete = [one for one in by_seed.values() if len(one) == len(sizes)]
        if len(sizes) < 2 or not complete:
            continue
        families.append(
            Family(
                method=method,
                variant=variant,
                layers=tuple(sizes),
                sets=len(complete),
                own=_set_costs(complete, _own_sum),
                shared=_set_costs(
                    complete, lambda one, key: _shared_sum(one, runs, key)
                ),
                kept=kept_of([row for one in complete for row in one.values()], runs),
            )
        )
    return families


def _set_costs(
    sets: Sequence[OneSet], cost: Callable[[OneSet, str], Optional[float]]
) -> Cost:
    return {key: mean_cost([cost(one, key) for one in sets]) for key in COST_KEYS}


def _own_sum(one: OneSet, key: str) -> Optional[float]:
    return sum_cost([row.get(key) for row in one.values()])


def _shared_sum(one: OneSet, runs: Mapping[str, Mapping], key: str) -> Optional[float]:
    # What several sizes are built on, be it by way of another run, is paid for once.
    names = {name for row in one.values() for name in run_names(row, runs)}
    return runs_cost(sorted(names), runs, key)
