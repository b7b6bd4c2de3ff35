"""Which models are worth having: none other is as good in both respects and better."""

from typing import Sequence

__all__ = ["pareto_front"]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Find the points that no other one beats, less being better in both numbers.

    A point is beaten by one that is nowhere worse and somewhere better; so of several
    equal points all are on the front, or none.

    Args:
        points: ``(cost, error rate)`` of each model, finite.

    Returns:
        Indices into ``points``, in the order of growing cost (and falling error).
    """
    front: list[int] = []
    best = float("inf")
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        # Sorted so, only an earlier point can beat this one.
        if points[index][1] < best or (front and points[index] == points[front[-1]]):
            front.append(index)
            best = points[index][1]
    return front
