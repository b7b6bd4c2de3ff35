"""Run the stages of a recipe; its ./run.sh calls this.

    python -m espnet_plugin.bin.recipe encrl --stage 5 --stop_stage 7

Run it in a recipe's folder, with the environment of its path.sh.
"""

import os
import shlex
import sys
from typing import Optional, Sequence

from espnet_plugin.bin.run import LOG_FOLDER, run_command
from espnet_plugin.errors import UserError
from espnet_plugin.recipe.command_line import HelpWanted
from espnet_plugin.recipe.families import FAMILIES, Family
from espnet_plugin.recipe.interrupts import Interrupts, Stopped
from espnet_plugin.recipe.runner import Failed, log

__all__ = ["main"]

_USAGE = (
    f"usage: python -m espnet_plugin.bin.recipe {'|'.join(FAMILIES)} [--option ...]"
)


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Run the command.

    Returns:
        The exit status: that of the command that failed, 2 for what the user can
        correct, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if cmd is None else cmd)
    if not words or words[0] not in FAMILIES:
        print(f"{_USAGE}\n\n{__doc__}")
        return 0 if words and words[0] in ("--help", "-h") else 2
    status = 0

    def work() -> None:
        nonlocal status
        status = _run(FAMILIES[words[0]], words[1:])

    return run_command(work) or status


def _run(family: Family, given: list[str]) -> int:
    interrupts = Interrupts()
    try:
        with interrupts.recording_signals():
            _run_stages(family, given, interrupts)
    except HelpWanted as wanted:
        print(family.help(wanted.defaults), flush=True)
        if wanted.mistake is not None:
            raise wanted.mistake from None
    except Failed as error:
        return error.status
    except Stopped as stop:
        log("Interrupted. The same command resumes from here.")
        return stop.status
    return 0


def _run_stages(family: Family, given: list[str], interrupts: Interrupts) -> None:
    line = family.read(given)
    log(f"{family.script} {shlex.join(given)}")
    # Where a command leaves the traceback of what nobody foresaw.
    os.environ[LOG_FOLDER] = f"{line.values.expdir}/log"
    try:
        family.run(line, interrupts)
    except UserError:
        # Ctrl-C ends cmd.sh and other scripts as well, which is no mistake in them.
        interrupts.check()
        raise


if __name__ == "__main__":
    sys.exit(main())
