"""Options that a recipe passes on to a command: checked before any stage runs."""

from typing import Any

from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.runner import Runner
from espnet_plugin.recipe.shell import shell_words

__all__ = ["check_passed_on"]


def check_passed_on(options: Any, runner: Runner) -> None:
    """Let the commands of the wanted stages check the words that are meant for them.

    Their parsers may need ESPnet, which takes seconds to import, so another process
    asks them. Where nothing is passed on, none is started.

    Args:
        options: The recipe's, with ``stage`` and ``stop_stage``.
        runner: Runs the check.

    Raises:
        Failed: If a word is not one of the command's; it has been named.
        UserError: If a value is not quoted as a shell needs it.
    """
    wanted = range(options.stage, options.stop_stage + 1)
    for one in options_of(type(options)):
        if one.passed_to is None or not set(one.passed_to.stages) & set(wanted):
            continue
        value = getattr(options, one.name)
        words = shell_words(value, one.name) if isinstance(value, str) else [*value]
        if words:
            check = ("check_options", one.name, one.passed_to.command)
            runner.here(runner.python(*check, "--", *words))
