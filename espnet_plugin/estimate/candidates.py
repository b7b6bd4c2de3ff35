"""List the shapes of small models that fit a budget.

Nothing is trained. For each width only models with one and two layers are built,
because parameters and operations are linear in the number of layers.
"""

import math
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import LEAST_USE, Budget
from espnet_plugin.estimate.count import count_forward, student_config
from espnet_plugin.shape import Heads, Shape, largest_first

__all__ = ["Candidate", "fitting", "list_shapes", "spread"]

# Widths are multiples of 8, for which matrix products are fast on most hardware.
_STEP = 8
_FEWEST_LAYERS = 2


@dataclass(frozen=True)
class Candidate:
    """A shape with its size and computation.

    Attributes:
        shape: Layers, and the width if it is not the reference's.
        width: Width of the encoder.
        params: Number of parameters.
        macs_per_second: Multiply-adds per second of audio for an utterance of ten
            seconds.
    """

    shape: Shape
    width: int
    params: int
    macs_per_second: float


def list_shapes(
    reference: Mapping[str, Any], encrl: Mapping[str, Any], vocabulary: int
) -> tuple[Candidate, ...]:
    """Count all shapes that are no larger than the reference.

    They have from 2 layers to the number of the reference's, and widths up to that of
    the reference that are multiples of 8 and of the attention heads.

    Args:
        reference: Configuration of the reference.
        encrl: Configuration of stage 5, which may change options of the student.
        vocabulary: Number of tokens.

    Returns:
        The candidates, those with most layers first, then the widest first.


    Raises:
        UserError: If such a model cannot be counted.
    """
    heads = Heads.of(reference, encrl)
    step = math.lcm(_STEP, heads.number)
    widths = [*range(step, heads.width, step), heads.width]
    deepest = (reference.get("encoder_conf") or {}).get("num_blocks")
    if deepest is None:
        raise UserError(
            "the reference's encoder_conf has no num_blocks, so the number of layers "
            "of small models has no upper limit: give --sizes instead of --budget"
        )
    found: dict[Shape, Candidate] = {}
    for width in widths:
        of_width = {**encrl, "student_output_size": width}
        count = count_forward(student_config(dict(reference), of_width, 1), vocabulary)
        for layers in range(_FEWEST_LAYERS, deepest + 1):
            shape = Shape(layers, None if width == heads.width else width)
            found[shape] = Candidate(
                shape, width, count.num_params(layers), count.macs_per_second(layers)
            )
    return tuple(found[shape] for shape in largest_first(found))


def fitting(
    candidates: Iterable[Candidate], budget: Budget, most: int = 0
) -> tuple[Candidate, ...]:
    """Return the candidates that use 90 to 100 % of a budget.

    Args:
        candidates: See :func:`list_shapes`.
        budget: The limit.
        most: If above 0, only this number is returned, chosen by :func:`spread`.

    Raises:
        UserError: If there is none; the message names the nearest candidates.
    """
    candidates = tuple(candidates)
    found = [one for one in candidates if budget.holds(one.params, one.macs_per_second)]
    if not found:
        raise UserError(
            f"--budget {budget.text}: no shape uses {100 * LEAST_USE:g} to 100 % of "
            f"it; {_nearest(candidates, budget)}"
        )
    return spread(found, most) if most else tuple(found)


def spread(candidates: Sequence[Candidate], number: int) -> tuple[Candidate, ...]:
    """Choose candidates with evenly spaced numbers of layers.

    For each number of layers the widest candidate is used. The largest and the smallest
    number are included; if only one is wanted, it is the middle one.
    """
    widest: dict[int, Candidate] = {}
    for one in candidates:
        best = widest.setdefault(one.shape.layers, one)
        if one.width > best.width:
            widest[one.shape.layers] = one
    depths = sorted(widest, reverse=True)
    if number >= len(depths):
        chosen = depths
    elif number == 1:
        chosen = [depths[len(depths) // 2]]
    else:
        step = (len(depths) - 1) / (number - 1)
        chosen = [depths[round(i * step)] for i in range(number)]
    return tuple(widest[depth] for depth in chosen)


def _nearest(candidates: Sequence[Candidate], budget: Budget) -> str:
    def used(one: Candidate) -> float:
        return one.macs_per_second if budget.computing else one.params

    unit = "MMAC/s" if budget.computing else "M parameters"
    below = [one for one in candidates if used(one) < LEAST_USE * budget.amount]
    above = [one for one in candidates if used(one) > budget.amount]
    near = [max(below, key=used)] if below else []
    near += [min(above, key=used)] if above else []
    named = " and ".join(
        f"{one.shape.in_words} ({used(one) / 1e6:.3g} {unit})" for one in near
    )
    return f"the nearest: {named}. Choose a limit that one of them fits"
