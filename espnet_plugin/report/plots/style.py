"""How all pictures of a report look: colours, markers, legend, files."""

from pathlib import Path
from typing import Any, Iterable

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

# plt from here has the backend that needs no screen.
__all__ = ["add_legend", "method_styles", "plt", "save_figure"]

# Okabe and Ito's colours: told apart under every common colour blindness. The last
# four, of Tol's muted ones and a brown, differ from them in lightness.
_COLOURS = {"reference": "#000000", "encrl": "#0072B2", "scratch": "#D55E00"}
_MORE_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_MORE_COLOURS += ("#882255", "#332288", "#999933", "#6A3D00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_LONG_LEGEND = 18


def method_styles(
    names: Iterable[tuple[str, str]],
) -> dict[tuple[str, str], tuple[str, str]]:
    """Choose a colour for each method, a marker for each variant within it.

    Args:
        names: (method, variant), in the order of a legend.
    """
    styles: dict[tuple[str, str], tuple[str, str]] = {}
    listed = list(dict.fromkeys(names))
    others = [m for m in dict.fromkeys(m for m, _ in listed) if m not in _COLOURS]
    for method in dict.fromkeys(method for method, _ in listed):
        colour, shift = _COLOURS.get(method), 0
        if colour is None:
            # When the colours begin again, the markers go on.
            shift, rest = divmod(others.index(method), len(_MORE_COLOURS))
            colour = _MORE_COLOURS[rest]
        variants = [variant for one, variant in listed if one == method]
        for number, variant in enumerate(variants, shift):
            styles[method, variant] = (colour, _MARKERS[number % len(_MARKERS)])
    return styles


def add_legend(figure: Figure, panels: Iterable[Axes]) -> None:
    """Put one legend for all panels beside them."""
    handles: dict[str, Any] = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels()):
            handles.setdefault(name, handle)
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside right center",  # below a long title
        frameon=False,
        fontsize=9 if len(handles) <= _LONG_LEGEND else 7.5,
    )


def save_figure(figure: Figure, stem: Path) -> Path:
    """Write ``stem`` .png and .svg, and return the PNG file."""
    for suffix in (".png", ".svg"):
        # No date in it: the same results give the same file.
        metadata = {"Date": None} if suffix == ".svg" else None
        figure.savefig(stem.with_suffix(suffix), dpi=150, metadata=metadata)
    plt.close(figure)
    return stem.with_suffix(".png")
