"""Check the words that a recipe passes on to a command, before its first stage.

    python -m espnet_plugin.bin.check_options OPTION COMMAND -- WORDS

OPTION is the recipe's option that holds the words; messages name it. Nothing is run.
"""

import argparse
import importlib
import logging
import sys
from typing import Sequence

from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser, make_exact

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
    return parser


def check_words(option: str, command: str, words: Sequence[str]) -> None:
    """Parse words as a command does, without its required options.

    Raises:
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
        theirs.parse_args(rest)


def main(cmd=None) -> int:
    """Run the command."""
    given = list(sys.argv[1:] if cmd is None else cmd)
    at = given.index("--") if "--" in given else len(given)
    args = get_parser().parse_args(given[:at])
    logging.getLogger().setLevel(logging.WARNING)
    return run_command(lambda: check_words(args.option, args.command, given[at + 1 :]))


if __name__ == "__main__":
    sys.exit(main())
