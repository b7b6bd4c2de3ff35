"""The front against its definition, point by point."""

import random

import pytest

from espnet_plugin.report.plots.pareto import pareto_front


def brute_force(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] <= b[1] and a != b

    return {
        index
        for index, point in enumerate(points)
        if not any(beats(other, point) for other in points)
    }


@pytest.mark.parametrize("seed", range(50))
def test_front_is_all_that_nothing_beats(seed):
    chance = random.Random(seed)
    # Few values, so that there are ties in one number and in both.
    points = [
        (chance.randint(0, 6), chance.randint(0, 6))
        for _ in range(chance.randint(0, 25))
    ]
    front = pareto_front(points)
    assert len(set(front)) == len(front)
    assert set(front) == brute_force(points)
    costs = [points[index][0] for index in front]
    errors = [points[index][1] for index in front]
    assert costs == sorted(costs) and errors == sorted(errors, reverse=True)


def test_known_fronts():
    assert pareto_front([]) == []
    assert pareto_front([(3, 3)]) == [0]
    assert pareto_front([(2, 5), (1, 9), (3, 6), (4, 1)]) == [1, 0, 3]
