"""What a row's training costs: its own, and that of the trainings it is built on.

A sum or a mean is not known as soon as a part is not: a cost must not look smaller.
"""

from typing import Any, Iterable, Mapping, Optional, Sequence

__all__ = [
    "COST_KEYS",
    "Cost",
    "add_costs",
    "mean_cost",
    "pflop",
    "run_names",
    "runs_cost",
    "sum_cost",
]

COST_KEYS = (
    "train_seconds",
    "cpu_seconds",
    "audio_seconds",
    "train_flops",
    "teacher_flops",
    "epochs",
)

_FLOPS_PER_PFLOP = 1e15

Cost = dict[str, Optional[float]]
Runs = Mapping[str, Mapping[str, Any]]


def run_names(row: Mapping[str, Any], runs: Runs) -> list[str]:
    """Return the shared training the row is built on, and what that went on from."""
    names, name = [], row.get("shared")
    while name and name not in names:
        names.append(name)
        name = runs.get(name, {}).get("after")
    return names


def runs_cost(names: Iterable[str], runs: Runs, key: str) -> Optional[float]:
    """Sum one cost over shared trainings, each in full; zero where there is none."""
    return sum_cost([runs.get(name, {}).get(key) for name in names])


def sum_cost(values: Sequence[Optional[float]]) -> Optional[float]:
    """Sum, or None."""
    if any(value is None for value in values):
        return None
    return float(sum(values))


def mean_cost(values: Sequence[Optional[float]]) -> Optional[float]:
    """Mean, or None."""
    total = sum_cost(values)
    return None if total is None else total / len(values)


def add_costs(first: Cost, second: Cost) -> Cost:
    """Add two costs, each figure by itself."""
    return {key: sum_cost([first[key], second[key]]) for key in COST_KEYS}


def pflop(cost: Cost) -> Optional[float]:
    """Return 10^15 operations of training and teacher together.

    None if they are not known, or if there are none: a picture has no place for them.
    """
    if cost["train_flops"] is None or cost["teacher_flops"] is None:
        return None
    return (cost["train_flops"] + cost["teacher_flops"]) / _FLOPS_PER_PFLOP or None
