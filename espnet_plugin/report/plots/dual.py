"""Pictures of recognisers with two modes: a panel for each."""

from pathlib import Path
from typing import Callable, Optional, Sequence

from espnet_plugin.report.plots.scatter import Panel, draw_scatter, error_words
from espnet_plugin.results.group import Group

__all__ = ["plot_dual_mode"]

_MILLION = 1e6

Value = Callable[[Group], Optional[float]]


def plot_dual_mode(
    groups: Sequence[Group], folder: Path, corpus: str, scored: str
) -> list[Path]:
    """Draw WER against size, cost and speed, streaming on the left, full context right.

    Args:
        groups: Groups with a test score; those without a mode stand with the full
            context.
        folder: Where wer_params, wer_cost and wer_rtf go, as .png and as .svg; those
            for which nothing is known are left out.
        corpus: Name of the corpus, for the titles.
        scored: What the scored set is called.

    Returns:
        The PNG files.
    """
    rate = error_words(groups)
    written = [
        draw_scatter(
            folder / "wer_params",
            groups,
            f"{corpus}: {rate} and size (equal sizes set side by side)",
            _panels(
                ("non-zero parameters (million)", _millions),
                ("parameters (million)", _millions),
            ),
            side_by_side=True,
            scored=scored,
        ),
        draw_scatter(
            folder / "wer_cost",
            groups,
            f"{corpus}: {rate} and cost of the training that made both modes "
            "(equal ones set side by side)",
            _panels(*2 * [("training, all it started from counted (PFLOP)", _cost)]),
            side_by_side=True,
            scored=scored,
        ),
        draw_scatter(
            folder / "wer_rtf",
            groups,
            f"{corpus}: {rate} and speed (nearly equal ones set side by side)",
            _panels(
                (
                    "real-time factor of one chunk",
                    lambda group: group.mean("chunk_rtf"),
                ),
                ("encoder real-time factor", lambda group: group.mean("encoder_rtf")),
            ),
            side_by_side=True,
            scored=scored,
        ),
    ]
    return [path for path in written if path]


def _panels(streaming: tuple[str, Value], full: tuple[str, Value]) -> list[Panel]:
    label, value = streaming
    of_streaming = Panel(
        label, lambda g: value(g) if g.mode == "streaming" else None, "streaming"
    )
    label_full, value_full = full
    of_full = Panel(
        label_full,
        lambda g: value_full(g) if g.mode != "streaming" else None,
        "full context",
    )
    return [of_streaming, of_full]


def _millions(group: Group) -> Optional[float]:
    count = group.params if group.params_nonzero is None else group.params_nonzero
    return count / _MILLION if count else None


def _cost(group: Group) -> Optional[float]:
    return group.whole.pflop
