"""Check the options that a recipe passes on to commands, before any stage runs."""

from typing import Any

from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.runner import Runner
from espnet_plugin.recipe.shell import shell_words

__all__ = ["check_passed_on"]


def check_passed_on(options: Any, runner: Runner) -> None:
    """Check the options that the chosen stages pass on to commands.

    The parsers of the commands may import ESPnet, which takes seconds, so they run in
    another process, and only if options are passed on.

    Args:
        options: Options of the recipe, with ``stage`` and ``stop_stage``.
        runner: Runs the check.

    Raises:
        Failed: If a command refuses an option; it has printed the reason.
        UserError: If the shell cannot read the quotes of a value.
    """
    wanted = range(options.stage, options.stop_stage + 1)
    for one in options_of(type(options)):
        if one.passed_to is None or not set(one.passed_to.stages) & set(wanted):
            continue
        value = getattr(options, one.name)
        words = shell_words(value, one.name) if isinstance(value, str) else [*value]
        if words:
            check = ["check_options", one.name, one.passed_to.command]
            if one.passed_to.config:
                check += ["--config", getattr(options, one.passed_to.config)]
            runner.here(runner.python(*check, "--", *words))
