"""The options of an encoder of another width."""

from inspect import signature
from typing import Any, Collection, Mapping, Optional

from espnet2.tasks.asr import encoder_choices

__all__ = ["with_width"]

# Options that are a multiple of the width, and what they have to be a multiple of:
# the gating of a cgMLP halves its units.
_IN_PROPORTION = {"linear_units": 1, "cgmlp_linear_units": 2}
_WIDTH = "output_size"


def with_width(
    encoder: str,
    conf: Mapping[str, Any],
    width: int,
    base: Optional[int] = None,
    fixed: Collection[str] = (),
) -> dict[str, Any]:
    """Return an encoder's options for another width, feed-forward units in proportion.

    Args:
        encoder: ESPnet's name of the encoder.
        conf: Its options, ``encoder_conf``.
        width: New ``output_size``.
        base: Width that the units of ``conf`` are in proportion to; by default that of
            ``conf``, or the encoder's own.
        fixed: Options that stay as they are.
    """
    known = signature(encoder_choices.get_class(encoder)).parameters
    if base is None:
        base = conf.get(_WIDTH, known[_WIDTH].default)
    scaled = {}
    for name, step in _IN_PROPORTION.items():
        if name in known and name not in fixed:
            units = conf.get(name, known[name].default) * width // base
            scaled[name] = max(1, units // step) * step
    return {**conf, **scaled, _WIDTH: width}
