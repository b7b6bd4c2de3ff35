"""Colours and markers of methods, in pictures and on the page."""

from typing import Iterable

__all__ = ["method_styles"]

# Okabe and Ito's colours, which can be distinguished with every common colour
# blindness. The last ones (some of Tol's muted colours and a brown) differ from them in
# lightness. Grey is used for other methods next to a method.
_COLOURS = {"reference": "#000000", "encrl": "#0072B2", "scratch": "#D55E00"}
_MORE_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#332288")
_MORE_COLOURS += ("#999933", "#6A3D00", "#44AA99")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def method_styles(
    names: Iterable[tuple[str, str]],
) -> dict[tuple[str, str], tuple[str, str]]:
    """Choose a colour for each method, a marker for each variant within it.

    Args:
        names: (method, variant) pairs, in the order of the legend.
    """
    styles: dict[tuple[str, str], tuple[str, str]] = {}
    listed = list(dict.fromkeys(names))
    methods = {method for method, _ in listed}
    # The two clearest colours are free for others if their methods do not exist.
    free = [c for m, c in _COLOURS.items() if m not in {"reference", *methods}]
    colours = (*free, *_MORE_COLOURS)
    others = [m for m in dict.fromkeys(m for m, _ in listed) if m not in _COLOURS]
    for method in dict.fromkeys(method for method, _ in listed):
        colour, shift = _COLOURS.get(method), 0
        if colour is None:
            # When the colours repeat, the next markers are used.
            shift, rest = divmod(others.index(method), len(colours))
            colour = colours[rest]
        variants = [variant for one, variant in listed if one == method]
        for number, variant in enumerate(variants, shift):
            styles[method, variant] = (colour, _MARKERS[number % len(_MARKERS)])
    return styles
