"""Find the models on the Pareto front of cost and error rate."""

from typing import Sequence

__all__ = ["pareto_front"]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the points that no other point dominates; lower is better in both values.

    A point is dominated by one that is worse in neither value and better in at least
    one. Equal points are therefore all on the front, or none is.

    Args:
        points: ``(cost, error rate)`` of each model, finite.

    Returns:
        Indices into ``points``, sorted by increasing cost (and decreasing error).
    """
    front: list[int] = []
    best = float("inf")
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        # In this order only an earlier point can dominate this one.
        if points[index][1] < best or (front and points[index] == points[front[-1]]):
            front.append(index)
            best = points[index][1]
    return front
