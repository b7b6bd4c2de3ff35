"""One training in a folder: started once, resumed, and finished as a whole."""

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
    """A training of one of our tasks.

    Attributes:
        task: One of those in :mod:`espnet_plugin.jobs.trainer`.
        request: Everything that decides what comes out; its configuration is trained
            with.
        options: ESPnet's options besides the configuration, also those that differ
            between processes.
        start: The options that say what the training starts from.
        config_file: File that the configuration was read from, if it is to be named in
            ESPnet's own configuration; otherwise it is written into the folder.
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

    It counts as finished when the block that follows has ended without an exception, so
    that block is the place to write what is made of it. An interrupted training is
    resumed.

    Args:
        folder: The experiment folder.
        training: What to do.
        prepare: Writes what the training starts from; of several processes the first
            one does.

    Yields:
        Whether this process has to finish the folder: not when that is done already,
        nor when another process does.

    Raises:
        UserError: If ``folder`` holds another training, or another run is at work
            there.
    """
    experiment = Experiment(folder)
    first = is_first(training.options)
    config_file = training.config_file or experiment.train_config_file
    if not first and training.config_file is None:
        # By then everything that the first process prepares is there.
        wait_for(config_file)
    with training_job(folder, training.request, first) as todo:
        if todo is None:
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


def _check_epochs(training: Training) -> None:
    """Refuse what ESPnet takes for a finished training without a model."""
    given = {**training.request.config, **read_options(training.options)}
    epochs = given.get("max_epoch", 1)
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
        raise UserError(f"max_epoch {epochs}: must be a whole number of epochs from 1")
