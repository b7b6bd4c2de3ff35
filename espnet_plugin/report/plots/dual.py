"""Pictures of recognisers with two modes: a panel for each."""

from typing import Callable, Optional, Sequence

from espnet_plugin.report.caution import busy_caution
from espnet_plugin.report.plots.picture import Picture
from espnet_plugin.report.plots.points import Panel, error_words
from espnet_plugin.report.units import OPERATIONS, fitting_unit
from espnet_plugin.results.group import Group

__all__ = ["dual_mode_pictures"]

_MILLION = 1e6
_SIDE_BY_SIDE = "equal ones set side by side"

Value = Callable[[Group], Optional[float]]


def dual_mode_pictures(groups: Sequence[Group]) -> list[Picture]:
    """Describe the pictures: streaming on the left, full context on the right.

    Args:
        groups: Groups with a test score; those without a mode are drawn with the full
            context.
    """
    rate = error_words(groups)
    unit = fitting_unit((group.whole.flops for group in groups), OPERATIONS)
    return [
        Picture(
            "wer_params",
            f"{rate} and size",
            _panels(
                ("non-zero parameters (million)", _millions),
                ("parameters (million)", _millions),
            ),
            _SIDE_BY_SIDE,
            side_by_side=True,
        ),
        Picture(
            "wer_cost",
            f"{rate} and cost of the training that made both modes",
            _panels(
                *2
                * [
                    (
                        f"training, all it started from counted ({unit.name})",
                        lambda group: unit.of(group.whole.flops),
                    )
                ]
            ),
            _SIDE_BY_SIDE,
            side_by_side=True,
        ),
        Picture(
            "wer_rtf",
            f"{rate} and speed",
            _panels(
                (
                    "real-time factor of one chunk",
                    lambda group: group.mean("chunk_rtf"),
                ),
                ("encoder real-time factor", lambda group: group.mean("encoder_rtf")),
            ),
            _SIDE_BY_SIDE,
            side_by_side=True,
            caution=busy_caution(groups),
        ),
    ]


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
