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

# Options of schedules: the end of the rise, and what it begins at.
_LIMITS = (("max_lr", "min_lr"), ("max_lr", "base_lr"))
_END = "eta_min"


def check_limits(name: str, kind: type, content: Mapping[str, Any], where: str) -> None:
    """Check that a schedule's least learning rate is below its greatest.

    Args:
        name: The schedule's name in the configuration.
        kind: Its class.
        content: The configuration.
        where: Option and file, for messages.

    Raises:
        UserError: If it is not.
    """
    options = inspect.signature(kind.__init__).parameters
    conf = content.get("scheduler_conf") or {}
    rate = (content.get("optim_conf") or {}).get("lr")
    if _END in options and _numbers(rate, conf.get(_END)) and conf[_END] > rate:
        raise UserError(
            f"{where}: scheduler_conf: {_END} {conf[_END]:g} is above optim_conf lr "
            f"{rate:g}, so that the learning rate of {name} rises to it; give an "
            f"{_END} below it"
        )
    for most, least in _LIMITS:
        if {most, least} <= set(options):
            _check_pair(name, most, least, content, options, where)


def _check_pair(
    name: str,
    most: str,
    least: str,
    content: Mapping[str, Any],
    options: Mapping[str, inspect.Parameter],
    where: str,
) -> None:
    conf = content.get("scheduler_conf") or {}
    limits = {one: conf.get(one, options[one].default) for one in (most, least)}
    if not _numbers(*limits.values()):
        return  # Missing or no number: refused by the trial.
    given = " and ".join(
        f"{one} {value:g}{'' if one in conf else ' (the default)'}"
        for one, value in limits.items()
    )
    if limits[most] < limits[least]:
        raise UserError(
            f"{where}: scheduler_conf: {given}: the schedule {name} would be upside "
            f"down; give a {least} below {most}"
        )
    if limits[most] == limits[least]:
        logging.warning(
            "%s: scheduler_conf: %s: the learning rate of %s does not fall",
            *(where, given, name),
        )
    gamma = conf.get("gamma", 1.0) if "gamma" in options else 1.0
    if _numbers(gamma) and gamma < 1 and limits[most] * gamma < limits[least]:
        logging.warning(
            "%s: scheduler_conf: %s, gamma %g: from the second cycle on, the greatest "
            "learning rate of %s is below the least: give a smaller %s",
            *(where, given, gamma, name, least),
        )
    rate = (content.get("optim_conf") or {}).get("lr")
    if rate is not None and rate != limits[most]:
        logging.warning(
            "%s: optim_conf lr %s is not used: the learning rate of %s is from %g to "
            "%g (%s and %s of scheduler_conf)",
            *(where, rate, name, limits[least], limits[most], least, most),
        )


def _numbers(*values: Any) -> bool:
    return all(type(value) in (int, float) for value in values)
