"""Check the words that a recipe passes on to a command, before its first stage.

    python -m espnet_plugin.bin.check_options OPTION COMMAND [--config FILE] -- WORDS

OPTION is the recipe's option that holds the words; messages name it. FILE is the
training configuration whose values the words replace. Nothing is run.
"""

import argparse
import importlib
import logging
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

from yaml import YAMLError

from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser, make_exact
from espnet_plugin.jobs.inputs import read_options
from espnet_plugin.yaml_files import deep_merge, read_yaml

__all__ = ["check_words", "get_parser", "main"]

# Commands that pass unknown options to a task of ESPnet: module and class of the task.
_TASKS = {
    "encrl_train": ("encrl", "EncRLTask"),
    "train_models": ("asr", "CountedASRTask"),
    "dual_mode_train": ("dual_mode", "DualModeASRTask"),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("option", help="name of the recipe's option, without dashes")
    parser.add_argument(
        "command", help="the module of espnet_plugin.bin whose options are checked"
    )
    parser.add_argument("--config", type=Path, help="training configuration")
    return parser


def check_words(
    option: str, command: str, words: Sequence[str], config: Optional[Path] = None
) -> None:
    """Parse words as a command does, without its required options.

    Args:
        option: Name of the recipe's option, without dashes.
        command: Name of the command.
        words: The words.
        config: Training configuration whose values the words replace.

    Raises:
        UserError: If a value is wrong in a training configuration.
        SystemExit: With status 2 if a word is wrong, after a message that names it and
            the option.
    """
    module = importlib.import_module(f"espnet_plugin.bin.{command}")
    where, see = f"--{option}", f"python -m {module.__name__}"
    parser = make_exact(module.get_parser(), see)
    parser.prog = where
    for action in parser._actions:
        action.required = False
    if command not in _TASKS:
        parser.parse_args(words)
        return
    rest = parser.parse_known_args(words)[1]
    if rest:
        room, name = _TASKS[command]
        task = getattr(importlib.import_module(f"espnet_plugin.tasks.{room}"), name)
        theirs = make_exact(task.get_parser(), see)
        theirs.prog = where
        try:
            theirs.parse_args(rest)
        except YAMLError as error:
            raise UserError(
                f"{where} {' '.join(rest)}: a value is not YAML. The words are split "
                "at spaces, so write a mapping as key=value, e.g. --optim_conf lr=0.001"
            ) from error
        _check_values(task, rest, config, where)


def _check_values(
    task: Any, words: Sequence[str], config: Optional[Path], where: str
) -> None:
    """Check the values of ESPnet's options as those of a configuration are."""
    from espnet_plugin import host
    from espnet_plugin.tasks.configuration import check_configuration

    given = read_options(words)
    merged = deep_merge(read_yaml(config) if config else {}, given)
    named = ", ".join(f"--{name}" for name in given)
    host.register()
    check_configuration(task, merged, f"{where} ({named})")


def main(cmd=None) -> int:
    """Run the command."""
    given = list(sys.argv[1:] if cmd is None else cmd)
    at = given.index("--") if "--" in given else len(given)
    args = get_parser().parse_args(given[:at])
    logging.getLogger().setLevel(logging.WARNING)
    return run_command(
        lambda: check_words(args.option, args.command, given[at + 1 :], args.config)
    )


if __name__ == "__main__":
    sys.exit(main())
