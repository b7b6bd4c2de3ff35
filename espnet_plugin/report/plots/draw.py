"""Pictures of a results.json: error rate against size, training cost and speed."""

import logging
from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.report.caution import busy_caution
from espnet_plugin.report.plots.choice import OTHERS, Choice, choose
from espnet_plugin.report.plots.dual import dual_mode_pictures
from espnet_plugin.report.plots.others import draw_others
from espnet_plugin.report.plots.picture import Picture
from espnet_plugin.report.plots.points import Panel, error_words
from espnet_plugin.report.plots.scatter import draw_scatter
from espnet_plugin.report.units import OPERATIONS, TIMES, fitting_unit
from espnet_plugin.results.family import Family
from espnet_plugin.results.group import Group
from espnet_plugin.results.results import Results
from espnet_plugin.shape import Shape

__all__ = ["plot_results"]

PathLike = Union[str, Path]


def plot_results(
    results: Results, folder: PathLike, rivals: Sequence[str] = ()
) -> list[Path]:
    """Draw the error rate against parameters, cost of models and families, and speed.

    The error rate is WER, or CER for scripts without spaces.

    A point is the mean over seeds and its bar the 95 % interval. The number next to it
    is the size in layers (or the share of weights for pruned models). A line joins the
    sizes of one method and variant; a hollow point is a variant with one size. Models
    of the same size are drawn side by side. The cost of a model built on shared
    training includes all of that; the cost of a family counts it once. A grey stepped
    line is the Pareto front: no model is below and left of it. Models with two modes
    have a panel for each mode. Each picture shows the reference, the main method and at
    most five rivals; the others have small panels in a second picture.

    Args:
        results: The results to draw.
        folder: Output folder for wer_params, wer_cost, wer_family_cost and wer_rtf, as
            .png and .svg, and for the second pictures, <name>_others. Pictures without
            any value are not drawn.
        rivals: The rivals that are shown, see `choose`; none: chosen by its rule.

    Returns:
        The PNG files.

    Raises:
        UserError: If no row has a test score, or a rival does not exist.
    """
    groups = [group for group in results.groups if group.test_wer is not None]
    if not groups:
        raise UserError(
            "results.json has no row with a test score, so nothing can be plotted: "
            "decode and score a model first (stage 7)"
        )
    choice = choose(groups, rivals)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(group.mode for group in groups):
        pictures = dual_mode_pictures(groups)
    else:
        pictures = _pictures(results, groups, choice)
    written = []
    for one in pictures:
        written += _draw(one, results, choice, folder)
    return written


def _draw(
    picture: Picture, results: Results, choice: Choice, folder: Path
) -> list[Path]:
    title = f"{results.corpus}: {picture.title}"
    drawn = draw_scatter(
        folder / picture.name,
        choice,
        f"{title} ({picture.remark})" if picture.remark else title,
        picture.panels,
        side_by_side=picture.side_by_side,
        scored=results.set_name,
        caution=picture.caution,
    )
    others = draw_others(
        folder / f"{picture.name}{OTHERS}",
        choice,
        f"{title}: the other methods",
        picture.of_others or picture.panels,
        scored=results.set_name,
        caution=picture.caution,
    )
    return [path for path in (drawn, others) if path]


def _pictures(
    results: Results, groups: Sequence[Group], choice: Choice
) -> list[Picture]:
    """Describe the pictures of models with one mode."""
    rate = error_words(groups)
    families, of_families = _family_panels(results.families)
    pictures = [
        Picture(
            "wer_params",
            f"{rate} and size",
            _size_panels(choice.groups),
            "equal sizes set side by side",
            _size_panels(groups)[-1:],
            # All methods have the same sizes, so points are moved apart; costs are not.
            side_by_side=True,
        ),
        Picture(
            "wer_cost",
            f"{rate} and training cost of one model "
            "(what sizes share counted in full)",
            _cost_panels(groups),
        ),
        Picture(
            "wer_family_cost",
            f"{rate} of each size and training cost of all sizes "
            "together (what they share counted once)",
            families,
            of_others=of_families,
        ),
        Picture(
            "wer_rtf",
            f"{rate} and speed",
            [
                Panel(
                    "encoder real-time factor",
                    lambda group: group.mean("encoder_rtf"),
                )
            ],
            "nearly equal ones set side by side",
            side_by_side=True,
            caution=busy_caution(groups),
        ),
    ]
    return [one for one in pictures if one.panels]


def _size_panels(groups: Sequence[Group]) -> list[Panel]:
    """Return panels of all parameters and, if weights were pruned, non-zero ones."""
    panels = [
        Panel("all parameters (million)", lambda group: _scale(group.params, 1e6)),
        Panel(
            "non-zero parameters (million)",
            lambda group: _scale(group.params_nonzero, 1e6),
        ),
    ]
    return panels if any(group.is_pruned for group in groups) else panels[:1]


def _cost_panels(groups: Sequence[Group]) -> list[Panel]:
    unit = fitting_unit((group.whole.flops for group in groups), OPERATIONS)
    panels = [
        Panel(
            f"training, teacher included ({unit.name})",
            lambda group: unit.of(group.whole.flops),
        ),
        _times("cpu_seconds", "processor", groups),
        _times("train_seconds", "wall-clock", groups),
    ]
    # Wall-clock time includes pauses of the machine: used only if there is no other.
    unmeasured = any(
        group.whole["train_seconds"] and not group.whole["cpu_seconds"]
        for group in groups
    )
    return panels if unmeasured else panels[:2]


def _times(key: str, kind: str, groups: Sequence[Group]) -> Panel:
    unit = fitting_unit((group.whole[key] for group in groups), TIMES)
    label = f"training ({kind} {unit.name})"
    return Panel(label, lambda group: unit.of(group.whole[key]))


def _family_panels(families: Sequence[Family]) -> tuple[list[Panel], list[Panel]]:
    """Return one panel for each size; all sizes of a family have the same cost.

    Only families with the largest set of sizes are drawn; others cost less because they
    have fewer models.

    Returns:
        The panels, and one for all sizes of a family.
    """
    if not families:
        return [], []
    sizes = max((family.sizes for family in families), key=len)
    other = [family.label for family in families if family.sizes != sizes]
    if other:
        logging.warning(
            "wer_family_cost: these methods are left out, because their sizes are "
            "not the same: %s",
            ", ".join(other),
        )
    costs = {
        (family.method, family.variant): family.whole.flops
        for family in families
        if family.sizes == sizes
    }
    unit = fitting_unit(costs.values(), OPERATIONS)
    label = f"training of all sizes, teacher included ({unit.name})"

    def cost(group: Group) -> Optional[float]:
        return unit.of(costs.get((group.method, group.variant)))

    def panel(size: Shape) -> Panel:
        return Panel(
            label, lambda g: cost(g) if g.shape == size else None, f"{size} layers"
        )

    return [panel(size) for size in sizes], [Panel(label, cost)]


def _scale(value: Optional[float], unit: float) -> Optional[float]:
    """Convert to a unit; None for unknown or zero, as the axis may be logarithmic."""
    return value / unit if value else None
