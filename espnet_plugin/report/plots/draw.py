"""Pictures of a results.json: error rate against size, training cost and speed."""

import logging
from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.report.plots.dual import plot_dual_mode
from espnet_plugin.report.plots.scatter import Panel, draw_scatter, error_words
from espnet_plugin.results.family import Family
from espnet_plugin.results.group import Group
from espnet_plugin.results.results import Results
from espnet_plugin.shape import Shape

__all__ = ["plot_results"]

PathLike = Union[str, Path]

_SECONDS_PER_HOUR = 3600.0


def plot_results(results: Results, folder: PathLike) -> list[Path]:
    """Draw the error rate against parameters, cost of models and families, and speed.

    It is WER, and CER in scripts without spaces.

    A point is the mean over seeds, its bar the 95 % interval; the number beside it is
    the size in layers (of models pruned at once: the share), and a line joins the sizes
    of one method and variant. A hollow point is a variant of one size. Models of the
    same size are set side by side. The cost of a model built on shared training
    includes that in full, that of a family counts it once. A grey line of steps is the
    Pareto front: below and left of it there is no model. Models with two modes have a
    panel for each.

    Args:
        results: What is drawn.
        folder: Where wer_params, wer_cost, wer_family_cost and wer_rtf go, as .png and
            as .svg; those for which nothing is known are left out.

    Returns:
        The PNG files.

    Raises:
        UserError: If no row has a test score to draw.
    """
    groups = [group for group in results.groups if group.test_wer is not None]
    if not groups:
        raise UserError(
            "results.json has no row with a test score, so there is nothing to plot: "
            "decode and score a model first (stage 7)"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    corpus, scored = results.corpus, results.set_name
    if any(group.mode for group in groups):
        return plot_dual_mode(groups, folder, corpus, scored)
    rate = error_words(groups)
    families = _family_panels(results.families)
    written = [
        draw_scatter(
            folder / "wer_params",
            groups,
            f"{corpus}: {rate} and size (equal sizes set side by side)",
            _size_panels(groups),
            # Every method has the same sizes; a cost, in contrast, is not moved.
            side_by_side=True,
            scored=scored,
        ),
        draw_scatter(
            folder / "wer_cost",
            groups,
            f"{corpus}: {rate} and training cost of one model "
            "(what sizes share counted in full)",
            _cost_panels(groups),
            scored=scored,
        ),
        families
        and draw_scatter(
            folder / "wer_family_cost",
            groups,
            f"{corpus}: {rate} of each size and training cost of all sizes "
            "together (what they share counted once)",
            families,
            scored=scored,
        ),
        draw_scatter(
            folder / "wer_rtf",
            groups,
            f"{corpus}: {rate} and speed",
            [
                Panel(
                    "encoder real-time factor (nearly equal ones set side by side)",
                    lambda group: group.mean("encoder_rtf"),
                )
            ],
            side_by_side=True,
            scored=scored,
        ),
    ]
    return [path for path in written if path]


def _size_panels(groups: Sequence[Group]) -> list[Panel]:
    """All parameters and, where zeros were pruned in, those that are none."""
    panels = [
        Panel("all parameters (million)", lambda group: _scale(group.params, 1e6)),
        Panel(
            "non-zero parameters (million)",
            lambda group: _scale(group.params_nonzero, 1e6),
        ),
    ]
    return panels if any(group.is_pruned for group in groups) else panels[:1]


def _cost_panels(groups: Sequence[Group]) -> list[Panel]:
    panels = [
        Panel("training, teacher included (PFLOP)", lambda group: group.whole.pflop),
        _hours("cpu_seconds", "training (processor hours)"),
        _hours("train_seconds", "training (wall-clock hours)"),
    ]
    # Wall-clock time holds pauses of the machine: drawn where there is no other.
    unmeasured = any(
        group.whole["train_seconds"] and not group.whole["cpu_seconds"]
        for group in groups
    )
    return panels if unmeasured else panels[:2]


def _hours(key: str, label: str) -> Panel:
    return Panel(label, lambda group: _scale(group.whole[key], _SECONDS_PER_HOUR))


def _family_panels(families: Sequence[Family]) -> list[Panel]:
    """A panel a size: the sizes of one family all stand at the same cost.

    Only families of the same sizes, as many as any has, are drawn: others cost less for
    having less to make.
    """
    if not families:
        return []
    sizes = max((family.sizes for family in families), key=len)
    other = [family.label for family in families if family.sizes != sizes]
    if other:
        logging.warning("wer_family_cost: not of the same sizes: %s", ", ".join(other))
    costs = {
        (family.method, family.variant): family.whole.pflop
        for family in families
        if family.sizes == sizes
    }

    def panel(size: Shape) -> Panel:
        return Panel(
            "training of all sizes, teacher included (PFLOP)",
            lambda g: costs.get((g.method, g.variant)) if g.shape == size else None,
            f"{size} layers",
        )

    return [panel(size) for size in sizes]


def _scale(value: Optional[float], unit: float) -> Optional[float]:
    """In a unit; what is not known or is nothing has no place on a logarithmic axis."""
    return value / unit if value else None
