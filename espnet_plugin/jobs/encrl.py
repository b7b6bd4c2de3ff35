"""EncRL pre-training."""

from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import ENCRL_METHOD, Meta
from espnet_plugin.files import file_checksum
from espnet_plugin.jobs.requests import EncRLRequest
from espnet_plugin.jobs.trainer import ENCRL_TASK
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.tasks.ranks import is_first, without_ranks
from espnet_plugin.yaml_files import read_yaml

__all__ = ["train_encrl"]


def train_encrl(
    folder: Path,
    config_file: Path,
    options: Sequence[str],
    seed: int,
    variant: str = "",
    serves: Sequence[int] = (),
    width: Optional[int] = None,
) -> None:
    """Train a student encoder to match a reference; a finished one is not repeated.

    Args:
        folder: Folder of the training.
        config_file: Training configuration.
        options: Options of ESPnet and of
            :class:`~espnet_plugin.tasks.encrl.EncRLTask`, the reference among them.
        seed: Seed of the training.
        variant: Name of the variant in the tables.
        serves: Numbers of layers of the models that will be made from the student.
        width: Width of the student if its size names one; None: the reference's.

    Raises:
        UserError: If the configuration does not choose epochs by EncRL's loss, or
            ``folder`` holds a different training.
    """
    config = read_yaml(config_file)
    criteria = config.get("best_model_criterion")
    if criteria and not any(["valid", "loss"] == list(one[:2]) for one in criteria):
        raise UserError(
            f"--config {config_file}: best_model_criterion {criteria} lacks [valid, "
            "loss, min]: add it, because EncRL averages the epochs with the lowest "
            "loss on dev"
        )
    reference = _checksum_of(options, "--reference_model_file")
    request = EncRLRequest(config, without_ranks(options), seed, reference)
    options = ["--seed", str(seed), *options]
    with trained(
        folder, Training(ENCRL_TASK, request, options, config_file=config_file)
    ):
        pass
    if is_first(options):
        # Also for a finished training: the name in the tables and the sizes may change.
        meta = Meta(
            method=ENCRL_METHOD,
            variant=variant,
            seed=seed,
            serves=tuple(sorted(serves, reverse=True)),
            size_width=width,
        )
        experiment = Experiment(folder)
        if experiment.find_meta() != meta:
            experiment.write_meta(meta)


def _checksum_of(options: Sequence[str], name: str) -> Optional[str]:
    """Return the digest of the file that an option names; None without such a file."""
    if name not in options[:-1]:
        return None
    path = Path(options[list(options).index(name) + 1])
    return file_checksum(path) if path.is_file() else None
