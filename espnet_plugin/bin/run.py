"""What every command does around its work."""

import logging
import sys
from typing import Callable

from espnet_plugin import host
from espnet_plugin.checkpoints.registration import register_later
from espnet_plugin.errors import UserError

__all__ = ["run_command"]


def run_command(work: Callable[[], None]) -> int:
    """Run ``work`` and turn a user's mistake into one line and exit status 2.

    This plugin's classes are registered with ESPnet once a model is built.
    """
    register_later(host.register)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    try:
        work()
    except UserError as error:
        logging.error("%s", error)
        return 2
    except KeyboardInterrupt:
        logging.error("interrupted; run the same command again to go on")
        return 130
    return 0
