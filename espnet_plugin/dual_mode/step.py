"""The passes and losses of a dual-mode training step."""

import math
from dataclasses import dataclass

from espnet_plugin.errors import UserError

__all__ = ["SAMPLINGS", "DualModeStep"]

SAMPLINGS = ("both", "one")


@dataclass(frozen=True)
class DualModeStep:
    """``model_conf.dual_mode`` of a training configuration.

    Attributes:
        full_weight: Weight of the loss of the dense full-context pass; 0: no such pass.
        streaming_weight: Weight of the loss of the (sparse) streaming pass; 0: no such
            pass.
        distillation_weight: Weight of the divergence of the streaming pass from the
            full-context one.
        temperature: Temperature of both posteriors in this divergence.
        delay_frames: Delay of the streaming pass in this divergence, in encoder frames.
        sampling: ``both``: every step computes both passes. ``one``: a step draws one
            of them with a probability proportional to its weight; the expected loss is
            the same.

    Raises:
        UserError: If a value is out of range, or values contradict each other.
    """

    full_weight: float = 1.0
    streaming_weight: float = 1.0
    distillation_weight: float = 0.0
    temperature: float = 1.0
    delay_frames: int = 0
    sampling: str = "both"

    def __post_init__(self):
        for name in ("full_weight", "streaming_weight", "distillation_weight"):
            value = getattr(self, name)
            if not (_is_number(value) and 0 <= value < math.inf):
                raise UserError(f"{name} {value!r}: must be 0 or more")
        if not (self.full_weight or self.streaming_weight):
            raise UserError(
                "full_weight 0 and streaming_weight 0: at least one must be above 0"
            )
        if self.distillation_weight and not self.streaming_weight:
            raise UserError(
                "distillation_weight needs a streaming pass: give "
                "streaming_weight above 0"
            )
        if self.distillation_weight and not self.full_weight:
            raise UserError(
                "distillation_weight needs a full-context pass that is trained: give "
                "full_weight above 0, or set it to 0"
            )
        if not (_is_number(self.temperature) and self.temperature > 0):
            raise UserError(f"temperature {self.temperature!r}: must be above 0")
        delay = self.delay_frames
        if not isinstance(delay, int) or isinstance(delay, bool) or delay < 0:
            raise UserError(
                f"delay_frames {delay!r}: must be a whole number, 0 or more"
            )
        if self.sampling not in SAMPLINGS:
            raise UserError(
                f"sampling {self.sampling!r}: must be one of " f"{', '.join(SAMPLINGS)}"
            )

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that are trained."""
        weights = {"full": self.full_weight, "streaming": self.streaming_weight}
        return tuple(mode for mode, weight in weights.items() if weight)

    def weight(self, mode: str) -> float:
        """Return the weight of a mode's loss."""
        return self.full_weight if mode == "full" else self.streaming_weight

    @property
    def full_share(self) -> float:
        """Probability of drawing the full-context pass."""
        return self.full_weight / (self.full_weight + self.streaming_weight)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
