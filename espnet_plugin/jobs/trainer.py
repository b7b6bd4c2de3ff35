"""The trainer: by default this process, with one of this plugin's ESPnet tasks.

A trainer is called with the name of a task and ESPnet's options, so that jobs can use
another one: a trainer that informs other nodes first
(:mod:`espnet_plugin.jobs.rendezvous`), or one that only records its calls, for tests.
"""

import importlib
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Iterator, Sequence

from espnet_plugin.harmless import without_command_line
from espnet_plugin.yaml_files import read_yaml

__all__ = [
    "DUAL_MODE_TASK",
    "ENCRL_TASK",
    "LM_TASK",
    "PLAIN_TASK",
    "PRETRAINING_TASK",
    "PRUNED_TASK",
    "Trainer",
    "run_main",
    "train_here",
    "train_task",
    "use_trainer",
]

# "module:class", because ESPnet takes many seconds to import.
PLAIN_TASK = "espnet_plugin.tasks.asr:CountedASRTask"
ENCRL_TASK = "espnet_plugin.tasks.encrl:EncRLTask"
PRUNED_TASK = "espnet_plugin.tasks.pruned:PrunedASRTask"
DUAL_MODE_TASK = "espnet_plugin.tasks.dual_mode:DualModeASRTask"
LM_TASK = "espnet_plugin.tasks.lm:CountedLMTask"
PRETRAINING_TASK = "espnet_plugin.tasks.dual_mode_ssl:DualModeSSLTask"

# Function of a task and the options of its ``main``; writes into their --output_dir.
Trainer = Callable[[str, Sequence[str]], None]


def train_here(task: str, cmd: Sequence[str]) -> None:
    """Train in this process.

    Args:
        task: ``module:class``.
        cmd: Options of its ``main``.

    Raises:
        UserError: If the configuration has an unknown option or a wrong value.
    """
    module, name = task.split(":")
    chosen = getattr(importlib.import_module(module), name)
    if "--config" in cmd:
        # Recipes have checked it before their first stage; other callers have not.
        file = cmd[list(cmd).index("--config") + 1]
        checks = importlib.import_module("espnet_plugin.tasks.configuration")
        checks.check_configuration(chosen, read_yaml(file), file)
    run_main(chosen, list(cmd))


def run_main(task: type, cmd: Sequence[str]) -> None:
    """Call the ``main`` of a task, without the command line that it prints first.

    It is kept for one of several processes, whose number is nowhere else in their log.

    Args:
        task: A task of ESPnet or of this plugin.
        cmd: Its options.
    """
    if any(word.startswith("--dist_") for word in cmd):
        task.main(cmd=cmd)
        return
    printed = importlib.import_module("espnet2.legacy.utils.cli_utils")
    with without_command_line(printed.get_commandline_args()):
        task.main(cmd=cmd)


_trainer: ContextVar[Trainer] = ContextVar("trainer", default=train_here)


def train_task(task: str, cmd: Sequence[str]) -> None:
    """Train with the current trainer; see :func:`use_trainer`.

    Args:
        task: ``module:class``.
        cmd: Options of its ``main``.
    """
    _trainer.get()(task, cmd)


@contextmanager
def use_trainer(trainer: Trainer) -> Iterator[None]:
    """Use ``trainer`` for every training inside the context."""
    token = _trainer.set(trainer)
    try:
        yield
    finally:
        _trainer.reset(token)
