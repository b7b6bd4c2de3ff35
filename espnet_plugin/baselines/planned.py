"""The models of the baselines of a call, checked before the first one is trained."""

from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.baselines.config import BaselineConfig, check_variants
from espnet_plugin.results.twins import PlannedModel, check_planned
from espnet_plugin.shape import Shape

__all__ = ["check_baselines", "output_of"]


def output_of(file: Path, exp_dir: Path, seed: int) -> str:
    """Return the prefix of the folders of a baseline's models.

    Args:
        file: The baseline's configuration, whose name is in the folders' names.
        exp_dir: Folder of experiments.
        seed: Seed of the training.
    """
    return str(exp_dir / f"asr_{file.stem}_s{seed}")


def check_baselines(
    configs: Sequence[BaselineConfig],
    exp_dir: Path,
    sizes: Sequence[Shape],
    seed: int,
    max_lr: Optional[float] = None,
) -> None:
    """Check that the tables can tell baselines from each other and from other models.

    Args:
        configs: The baselines of this call.
        exp_dir: Folder of experiments, in which models of earlier calls may be.
        sizes: Sizes of the models.
        seed: Seed of the trainings.
        max_lr: See :func:`espnet_plugin.baselines.run.run_baseline`.

    Raises:
        UserError: If two baselines have the same method and variant, one has those of a
            finished model in another folder, or its own folder holds a model of another
            method.
    """
    check_variants(configs)
    for config in configs:
        output = output_of(config.file, exp_dir, seed)
        check_planned(
            [
                PlannedModel(
                    Path(f"{output}_{size}l"),
                    config.method,
                    config.variant_at(max_lr),
                    size,
                    seed,
                )
                for size in sizes
                if size.width is None or config.makes_widths
            ],
            (
                f"give {config.file} a variant of its own, or choose another --expdir",
                f"copy {config.file} under another name, which its folders get",
            ),
        )
