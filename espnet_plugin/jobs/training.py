"""A training in a folder: run once, resumed if interrupted, finished as a whole."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.jobs.environment import check_gpus
from espnet_plugin.jobs.inputs import read_options
from espnet_plugin.jobs.inputs_whole import check_inputs_whole
from espnet_plugin.jobs.requests import TrainingRequest
from espnet_plugin.jobs.trainer import train_task
from espnet_plugin.jobs.training_job import training_job
from espnet_plugin.tasks.ranks import is_first, wait_for
from espnet_plugin.yaml_files import write_yaml

__all__ = ["Training", "trained"]


@dataclass(frozen=True)
class Training:
    """A training of one of this plugin's tasks.

    Attributes:
        task: One of the tasks in :mod:`espnet_plugin.jobs.trainer`.
        request: Everything that determines the result, with the configuration.
        options: ESPnet's options in addition to the configuration, also those that
            differ between processes.
        start: Options that set the initial weights.
        config_file: File from which the configuration was read, if ESPnet is to record
            this path; None: the configuration is written into the folder.
    """

    task: str
    request: TrainingRequest
    options: Sequence[str]
    start: Sequence[str] = ()
    config_file: Optional[Path] = None


@contextmanager
def trained(
    folder: Path, training: Training, prepare: Optional[Callable[[], None]] = None
) -> Iterator[bool]:
    """Train in ``folder`` unless the same training is finished there.

    The training counts as finished when the body of the ``with`` statement ends without
    an exception, so the body is the place to write the files made from it. An
    interrupted training is resumed.

    Args:
        folder: The experiment folder.
        training: The training.
        prepare: Function that writes the initial weights; only the first of several
            processes calls it.

    Yields:
        Whether the body has to finish the folder: not if it is finished already, and
        not in other processes than the first.

    Raises:
        UserError: If ``folder`` holds a different training, another run is using it,
            ``max_epoch`` is wrong, there are too few GPUs, or the configuration of a
            finished training is missing.
    """
    experiment = Experiment(folder)
    first = is_first(training.options)
    config_file = training.config_file or experiment.train_config_file
    if not first and training.config_file is None:
        # It is written after everything else that the first process prepares.
        wait_for(config_file)
    with training_job(folder, training.request, first) as todo:
        if todo is None:
            _check_configured(experiment)
            yield False
            return
        if first and prepare is not None:
            prepare()
        if first and training.config_file is None:
            write_yaml(config_file, training.request.config)
        _check_epochs(training)
        check_inputs_whole(training.request.config, training.options, config_file)
        check_gpus(read_options(training.options).get("ngpu") or 0)
        cmd = ["--config", str(config_file), "--output_dir", str(folder)]
        # An interrupted run is resumed, as asr.sh does.
        cmd += ["--resume", "true", *training.options, *training.start]
        train_task(training.task, cmd)
        yield first


def _check_configured(experiment: Experiment) -> None:
    """Refuse a finished training without its configuration, which later stages need."""
    if any(experiment.folder.glob("*.pth")) and not experiment.config_file.is_file():
        raise UserError(
            f"{experiment.folder} is finished, but its {experiment.config_file.name} "
            "is missing: bring it back, or delete the folder to train again"
        )


def _check_epochs(training: Training) -> None:
    """Refuse numbers of epochs with which ESPnet would end without a model."""
    given = {**training.request.config, **read_options(training.options)}
    epochs = given.get("max_epoch", 1)
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
        raise UserError(
            f"max_epoch {epochs}: must be a whole number of epochs, 1 or more"
        )
