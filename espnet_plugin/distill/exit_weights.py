"""The weights of the losses of several sizes that are trained together."""

import math
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError

__all__ = ["read_exit_weights"]

_OPTION = "model_conf.exit_weights"


def read_exit_weights(
    given: Optional[Mapping[Any, Any]], exits: Sequence[int]
) -> tuple[float, ...]:
    """Return the weight of each exit's loss, relative to that of the last layer.

    Args:
        given: Weights by number of layers, of exits that have another weight than 1.
            From a command line the numbers are text.
        exits: Layers after which there is an exit, without the last layer.

    Returns:
        A weight for each of ``exits``; the last layer's is 1.

    Raises:
        UserError: If ``given`` is not a mapping, names a layer without an exit, or a
            weight is not a number of 0 or more.
    """
    if given is None:
        return (1.0,) * len(exits)
    if not isinstance(given, Mapping):
        raise UserError(
            f"{_OPTION} {given!r}: give layers and weights, e.g. {{2: 0.5}}"
        )
    weights = {layer: 1.0 for layer in exits}
    for name, value in given.items():
        layer = int(name) if str(name).isdecimal() else name
        if layer not in weights:
            known = ", ".join(map(str, exits)) or "none"
            raise UserError(
                f"{_OPTION} {name}: the student has no exit after this layer (exits: "
                f"{known}; the largest size always has weight 1): correct or remove it"
            )
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            raise UserError(f"{_OPTION} {name}: {value!r}: must be 0 or more")
        weights[layer] = float(value)
    return tuple(weights.values())
