"""Common style of all pictures of a report: backend, legend, files."""

import textwrap
from pathlib import Path
from typing import Any, Iterable

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

# Import plt from here: its backend needs no screen.
__all__ = ["add_caption", "add_legend", "plt", "save_figure"]

_LONG_LEGEND = 18
_CHARACTERS_PER_INCH = 14  # in a caption, with some margin


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


def add_caption(figure: Figure, text: str) -> None:
    """Write a caption below all panels, in lines as wide as the figure."""
    if not text:
        return
    text = text.replace("`", "")
    width = int(_CHARACTERS_PER_INCH * figure.get_figwidth())
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, width)]
    figure.supxlabel("\n".join(lines), fontsize=8, color="#444444")


def save_figure(figure: Figure, stem: Path) -> Path:
    """Write ``stem`` .png and .svg, and return the PNG file."""
    for suffix in (".png", ".svg"):
        # Without a date, the same results give the same file.
        metadata = {"Date": None} if suffix == ".svg" else None
        figure.savefig(stem.with_suffix(suffix), dpi=150, metadata=metadata)
    plt.close(figure)
    return stem.with_suffix(".png")
