"""Learning-rate schedules of ESPnet that have limits of their own.

They overwrite ``optim_conf.lr``, and a minimum above the maximum, which a default value
can be, turns them upside down without a message
(``findings/espnet_cosine_restarts.sh``).
"""

import inspect
import logging
from typing import Any, Mapping

from espnet_plugin.errors import UserError

__all__ = ["check_limits"]

_MOST, _LEAST = "max_lr", "min_lr"


def check_limits(name: str, kind: type, content: Mapping[str, Any], where: str) -> None:
    """Check the limits of a schedule that has a maximum and a minimum.

    Args:
        name: The schedule's name in the configuration.
        kind: Its class.
        content: The configuration.
        where: Option and file, for messages.

    Raises:
        UserError: If the maximum is not above the minimum.
    """
    options = inspect.signature(kind.__init__).parameters
    if not {_MOST, _LEAST} <= set(options):
        return
    conf = content.get("scheduler_conf") or {}
    limits = {one: conf.get(one, options[one].default) for one in (_MOST, _LEAST)}
    most, least = limits.values()
    if not all(type(value) in (int, float) for value in (most, least)):
        return  # Missing or no number: the class refuses it.
    if most <= least:
        given = " and ".join(
            f"{one} {value:g}{'' if one in conf else ' (the default)'}"
            for one, value in limits.items()
        )
        raise UserError(
            f"{where}: scheduler_conf: {given}: the learning rate of {name} would fall "
            f"where it should rise; give a {_LEAST} below {_MOST}"
        )
    rate = (content.get("optim_conf") or {}).get("lr")
    if rate is not None and rate != most:
        logging.warning(
            "%s: optim_conf lr %s is not used: the learning rate of %s is from %g to "
            "%g (min_lr and max_lr of scheduler_conf)",
            *(where, rate, name, least, most),
        )
