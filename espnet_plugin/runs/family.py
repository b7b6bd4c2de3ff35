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

    Every call is always made, because the stages themselves skip finished work.

    Args:
        seeds: Seeds; each has its own EncRL run.
        sizes: Sizes of the small models.
        baselines: Names of baselines; each is one job per seed.
        together: Whether one job fine-tunes all sizes of a seed, or one job each size.
    """
    listed = shlex.quote(" ".join(map(str, sizes)))
    student = "--seed {seed}"
    # Only sizes with the reference's width are cut out of a larger student.
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
    # The reference is imported first, because many jobs need it at the same time.
    return PlanSpec(rows, {}, seeds, prepare="--stage 4 --stop_stage 4")
