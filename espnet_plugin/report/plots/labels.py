"""Place short texts next to the points of a plot, with the least overlap."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

__all__ = ["Label", "place_labels"]

_SIZE = 9  # points
_CHARACTER_WIDTH = 0.62  # relative to the size, slightly more than a digit
# From a point to the middle of its text: right, left, above, below, then further off.
_DIRECTIONS = ((1, 0.7), (-1, 0.7), (1, -0.7), (-1, -0.7), (0, 1.2), (0, -1.2))
_DISTANCES = (10, 15, 21)  # points
_MARKER = 8  # points


@dataclass(frozen=True)
class Label:
    """A text for the point at ``x``, ``y`` (in data coordinates)."""

    x: float
    y: float
    text: str
    colour: str


def place_labels(
    panel: Axes, labels: Sequence[Label], points: Sequence[tuple[float, float]]
) -> None:
    """Write the labels, each where it overlaps least with points and other labels.

    Args:
        panel: A panel in which everything else is drawn and laid out.
        labels: What to write.
        points: All markers of the panel, in data coordinates.
    """
    if not labels:
        return
    per_point = panel.figure.dpi / 72
    centres = panel.transData.transform(points) / per_point
    taken = [(x, y, _MARKER, _MARKER) for x, y in centres]
    frame = panel.get_window_extent()
    edges = [value / per_point for value in frame.extents]
    for label in labels:
        x, y = panel.transData.transform((label.x, label.y)) / per_point
        width, height = _CHARACTER_WIDTH * _SIZE * len(label.text), float(_SIZE)
        boxes = [
            # A long text is moved by half its length.
            (x + dx * (distance + width / 2 - 3), y + dy * distance, width, height)
            for distance in _DISTANCES
            for dx, dy in _DIRECTIONS
        ]
        costs = [_overlap(box, taken) + _outside(box, edges) for box in boxes]
        best = boxes[int(np.argmin(costs))]
        taken.append(best)
        text = panel.annotate(
            label.text,
            (label.x, label.y),
            xytext=(best[0] - x, best[1] - y),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_SIZE,
            color=label.colour,
            # A white outline keeps it readable on a line or a bar.
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
            zorder=5,
            annotation_clip=False,
        )
        # Otherwise the panel would shrink, and the positions would be wrong.
        text.set_in_layout(False)


def _overlap(box: tuple, others: Sequence[tuple]) -> float:
    """Return the area that a box (centre x, y, width, height) shares with others."""
    total = 0.0
    for other in others:
        shared = [
            (box[side + 2] + other[side + 2]) / 2 - abs(box[side] - other[side])
            for side in (0, 1)
        ]
        total += max(shared[0], 0.0) * max(shared[1], 0.0)
    return total


def _outside(box: tuple, edges: Sequence[float]) -> float:
    """Return the area of a box outside the frame, where titles and other panels are."""
    area = 0.0
    for side in (0, 1):
        low, high = box[side] - box[side + 2] / 2, box[side] + box[side + 2] / 2
        beyond = max(edges[side] - low, 0.0) + max(high - edges[side + 2], 0.0)
        area += beyond * box[3 - side]
    return area
