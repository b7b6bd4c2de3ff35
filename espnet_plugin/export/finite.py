"""NaN in the output of an exported model, which comparisons of numbers do not find."""

import numpy as np

from espnet_plugin.errors import UserError

__all__ = ["check_finite"]


def check_finite(found: np.ndarray, what: str) -> None:
    """Refuse values that are not finite.

    ``max(0.0, nan)`` is 0.0 in Python, so a largest difference does not show them.

    Args:
        found: Output of the exported model.
        what: Its input, for the message.

    Raises:
        UserError: If a value is NaN or infinite.
    """
    if not np.isfinite(found).all():
        raise UserError(
            f"the exported model gives values that are not finite for {what}; nothing "
            "was written"
        )
