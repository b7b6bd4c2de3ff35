"""The plan of ``jobs.sh``: seeds, sizes and baselines of one family of models."""

import shlex
from typing import Sequence

from espnet_plugin.runs.spec import PlanSpec, RowSpec
from espnet_plugin.shape import Shape

__all__ = ["family_plan"]


def family_plan(
    seeds: Sequence[int],
    sizes: Sequence[Shape],
    baselines: Sequence[str],
    together: bool,
) -> PlanSpec:
    """Return the plan of a recipe's stages 4 to 8.

    Every call is made each time: the stages know themselves what is finished.

    Args:
        seeds: One EncRL run each.
        sizes: Sizes of the small models.
        baselines: Each is one more job for each seed.
        together: One job fine-tunes all sizes of a seed, instead of one for each size.
    """
    listed = shlex.quote(" ".join(map(str, sizes)))
    student = "--seed {seed}"
    # Sizes with a width of their own are no layers of a larger student.
    if layers := [one.layers for one in sizes if one.width is None]:
        student += f" --encrl_layers {max(layers)}"
    rows = {
        "encrl": RowSpec(f"--stage 5 --stop_stage 5 {student} --sizes {listed}"),
        "finetune": RowSpec(
            f"--stage 6 --stop_stage 7 {student} "
            f"--sizes {listed if together else '{size}'}",
            after=["encrl"],
            each={} if together else {"size": list(map(str, sizes))},
        ),
    }
    if baselines:
        rows["baseline"] = RowSpec(
            "--stage 8 --stop_stage 8 --seed {seed} --baselines {name} "
            f"--sizes {listed}",
            each={"name": baselines},
        )
    # The reference is imported, or found, before many jobs want it at once.
    return PlanSpec(rows, {}, seeds, prepare="--stage 4 --stop_stage 4")
