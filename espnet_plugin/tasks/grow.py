"""A deep reference that starts from a trained shallower one."""

from pathlib import Path
from typing import Any, Mapping

from espnet_plugin.distill.deepen import DEEPENED, deepen, repeat_layers
from espnet_plugin.errors import UserError
from espnet_plugin.export.checkpoint import read_checkpoint
from espnet_plugin.export.espnet import save_state
from espnet_plugin.files import read_json
from espnet_plugin.tasks.job import read_yaml

__all__ = ["check_growth", "grown_start"]

# What may differ between the two: it changes no weight's shape or meaning.
_FREE = ("num_blocks", "stochastic_depth_rate")
_FREE_ENDS = ("dropout_rate",)
_FREE_BEGINNINGS = ("interctc_",)


def check_growth(
    small: Mapping[str, Any], large: Mapping[str, Any], where: str
) -> tuple[int, int]:
    """Check that one training configuration's model can grow into another's.

    Args:
        small: The shallower model's configuration, as its YAML file holds it.
        large: The deeper one's.
        where: Names both in errors.

    Returns:
        Their numbers of encoder layers.

    Raises:
        UserError: If they differ in more than depth and regularisation.
    """
    confs = [dict(config.get("encoder_conf") or {}) for config in (small, large)]
    depths = [conf.get("num_blocks") for conf in confs]
    if not all(isinstance(depth, int) for depth in depths) or depths[0] > depths[1]:
        raise UserError(
            f"{where}: encoder_conf.num_blocks {depths[0]} and {depths[1]}: must be "
            "numbers, the first not larger than the second"
        )
    if (
        small.get("encoder") not in DEEPENED
        or confs[0].get("normalize_before") is False
    ):
        raise UserError(
            f"{where}: encoder {small.get('encoder')!r} cannot grow: must be one of "
            f"{', '.join(DEEPENED)}, normalised before each block (normalize_before)"
        )
    for name in ("frontend", "frontend_conf", "encoder"):
        if small.get(name) != large.get(name):
            raise UserError(
                f"{where}: {name} {small.get(name)!r} and {large.get(name)!r}: must be "
                "the same"
            )
    for name in sorted(set(confs[0]) | set(confs[1])):
        free = name in _FREE or name.endswith(_FREE_ENDS)
        if free or name.startswith(_FREE_BEGINNINGS):
            continue
        values = [conf.get(name) for conf in confs]
        if values[0] != values[1]:
            raise UserError(
                f"{where}: encoder_conf.{name} {values[0]!r} and {values[1]!r}: must "
                "be the same"
            )
    return depths[0], depths[1]


def grown_start(start: Path, config: Mapping[str, Any], path: Path) -> None:
    """Write what a deeper model starts from: a trained one with more layers.

    Args:
        start: Folder of the finished shallower model.
        config: Training configuration of the deeper one.
        path: Gets the tensors.

    Raises:
        UserError: If the model is not finished or cannot grow so.
    """
    if not (start / "meta.json").is_file():
        raise UserError(f"{start} is not finished: train it first (stage 4)")
    small = read_yaml(start / "train_config.yaml", "--start")
    few, many = check_growth(small, config, f"--start {start}, --config")
    state = read_checkpoint(start / read_json(start / "meta.json")["checkpoint"])
    save_state(deepen(state, repeat_layers(few, many)), path)
