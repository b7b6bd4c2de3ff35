"""Check the effects that ESPnet applies to the training audio (``data_aug_effects``).

ESPnet 202611 only looks at an effect when it draws it for an utterance, so a wrong name
or a missing package stops a training at a random place
(findings/espnet_data_aug.sh).
"""

import importlib.util
import inspect
import logging
from typing import Any, Iterator, Mapping

import torch
from espnet2.layers.augmentation import RESAMPLE_METHODS, effects_dict

from espnet_plugin.errors import UserError
from espnet_plugin.suggest import did_you_mean

__all__ = ["augments", "check_effects"]

_KEY = "data_aug_effects"
_SHARE = "data_aug_prob"
_LIMITED = "bandwidth_limitation"
# Resampling methods of bandwidth_limitation that do not need resampy.
_INCLUDED = ("scipy", "polyphase")
_RATE = 16000
# It takes ten seconds, however short the audio is; only its options are compared.
_SLOW = "pitch_shift"


def augments(conf: Any) -> bool:
    """Return whether effects are applied with this ``preprocessor_conf``."""
    if not isinstance(conf, Mapping):
        return False
    share = conf.get(_SHARE, 0.0)
    return bool(conf.get(_KEY)) and isinstance(share, (int, float)) and share > 0


def check_effects(content: Mapping[str, Any], where: str) -> None:
    """Try each effect of a configuration on noise.

    Args:
        content: The configuration.
        where: Option and file, for messages.

    Raises:
        UserError: If an effect has a wrong form or name or wrong options, or needs a
            package that is not installed.
    """
    conf = content.get("preprocessor_conf")
    if not isinstance(conf, Mapping) or not conf.get(_KEY):
        return
    where = f"{where}: preprocessor_conf: {_KEY}"
    if not augments(conf):
        logging.warning("%s: none is applied, because %s is 0", where, _SHARE)
    noise = 0.1 * torch.randn(_RATE, generator=torch.Generator().manual_seed(0))
    for name, options in _each(conf[_KEY], where):
        if name not in effects_dict:
            near = did_you_mean(name, effects_dict)
            known = f"; the effects are {', '.join(effects_dict)}"
            raise UserError(f"{where}: {name} is not an effect{near or known}")
        if name == _LIMITED:
            _check_resampling(options, where)
        effect = effects_dict[name]
        if name == _SLOW:
            effect = inspect.signature(effect).bind
        try:
            effect(noise.clone(), _RATE, **options)
        except Exception as error:  # the effects raise all kinds
            raise UserError(
                f"{where}: {name} {options}: {type(error).__name__}: {error}"
            ) from error


def _each(effects: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and options of every effect, also of those in groups."""
    wanted = (
        "must be a list of [weight, name, {options}], or of [weight, list of these]"
    )
    if not isinstance(effects, (list, tuple)):
        raise UserError(f"{where} {effects!r}: {wanted}")
    for one in effects:
        if not isinstance(one, (list, tuple)) or len(one) not in (2, 3):
            raise UserError(f"{where}: {one!r}: {wanted}")
        weight, name, *options = one
        if not isinstance(weight, (int, float)) or not weight > 0:
            raise UserError(f"{where}: {one!r}: the weight must be above 0")
        if isinstance(name, (list, tuple)):
            if len(name) < 2:
                raise UserError(
                    f"{where}: {one!r}: ESPnet needs at least two effects in a group: "
                    "write a single one without its list"
                )
            yield from _each(name, where)
        elif isinstance(name, str) and options and isinstance(options[0], Mapping):
            yield name, {k: v for k, v in options[0].items() if k != "sample_rate"}
        else:
            raise UserError(f"{where}: {one!r}: {wanted}")


def _check_resampling(options: Mapping[str, Any], where: str) -> None:
    drawn = options.get("res_type", "random")
    needed = drawn == "random" or drawn in set(RESAMPLE_METHODS) - set(_INCLUDED)
    if needed and importlib.util.find_spec("resampy") is None:
        raise UserError(
            f"{where}: {_LIMITED} with res_type {drawn} needs the package resampy, "
            "which is not installed: pip install resampy, or set res_type: scipy"
        )
