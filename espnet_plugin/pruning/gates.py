"""Self-pinching gates: pruning by a learnable threshold in each layer."""

import math
from typing import Mapping, Optional, Sequence

import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.select import refuse_uncalled

__all__ = ["GatePruner"]

_ORIGINAL, _THRESHOLD = "_orig", "_threshold"
# Unit of the learnt thresholds. Adam moves every parameter by about the learning rate,
# however small its gradient. At a rate that suits weights, its momentum would otherwise
# carry thresholds far beyond the target within a few steps.
_UNIT = 0.1


class _Gate:
    """Masks a layer's weight before each forward pass.

    This is a hook like those of ``torch.nn.utils.prune``, not a parametrisation:
    torch's FLOP counter cannot follow gradients through a module whose input is a
    parameter.
    """

    def __init__(self, module: nn.Module, threshold: float, temperature: float):
        self.temperature = temperature
        weight = module.weight
        del module._parameters["weight"]
        module.register_parameter("weight" + _ORIGINAL, weight)
        limit = nn.Parameter(weight.new_tensor(threshold / _UNIT))
        module.register_parameter("weight" + _THRESHOLD, limit)
        module.register_forward_pre_hook(self)
        self._module = module
        self(module, None)

    def mask(self) -> torch.Tensor:
        """Return the mask of zeros and ones, in the shape of the weight.

        Its gradient is that of the sigmoid.
        """
        weight = getattr(self._module, "weight" + _ORIGINAL)
        threshold = _UNIT * getattr(self._module, "weight" + _THRESHOLD)
        distance = weight.square() - threshold.square()
        hard = (distance >= 0).to(weight.dtype)
        if not torch.is_grad_enabled():
            return hard
        soft = torch.sigmoid(distance / self.temperature)
        # In this order the sum is exactly 0 or 1, because the sigmoid of a kept weight
        # is at least one half, so the difference is exact.
        return (hard - soft.detach()) + soft

    def __call__(self, module: nn.Module, inputs) -> None:
        """Set ``module.weight``."""
        module.weight = getattr(module, "weight" + _ORIGINAL) * self.mask()


class GatePruner:
    """Prunes by learnt thresholds within one training.

    The penalty reduces weights below the threshold of their layer until the target is
    reached, and again whenever the rest of the loss has brought too many back.

    - [0] Effective and Efficient One-pass Compression of Speech Foundation Models Using
      Sparsity-aware Self-pinching Gates, 2025, https://arxiv.org/abs/2505.22608,
      section 3: M = sigmoid((W^2 - t^2) / tau), rounded in the forward pass; the loss
      is L_ctc + eta * sum of the masks.

    Args:
        modules: ``(name, module)`` of the modules to prune, in which gates are
            installed.
        sparsity: Share of all their weights that is to become zero, 0 to 1.
        eta: Weight of the penalty, per weight that is kept.
        threshold: Initial value of the thresholds.
        temperature: First and last temperature of the sigmoid, which follows a cosine.

    Raises:
        UserError: If a number is out of range, or a module is never called.
    """

    def __init__(
        self,
        modules: Sequence[tuple[str, nn.Module]],
        sparsity: float,
        eta: float = 2e-5,
        threshold: float = 1e-5,
        temperature: Sequence[float] = (0.5, 0.01),
    ):
        if not 0.0 <= sparsity < 1.0:
            raise UserError(f"sparsity {sparsity}: must be at least 0 and below 1")
        if not eta > 0 or not threshold > 0 or not min(temperature) > 0:
            raise UserError(
                f"eta {eta}, threshold {threshold}, temperature {list(temperature)}: "
                "must be above 0"
            )
        refuse_uncalled(modules)
        self._target, self._eta = sparsity, eta
        self._temperature = tuple(temperature)
        modules = [module for _, module in modules]
        self._total = sum(module.weight.numel() for module in modules)
        self._gates = [_Gate(m, threshold, self._temperature[0]) for m in modules]

    def step(self, update: int, updates: int) -> None:
        """Set the temperature of the sigmoid before an update.

        Args:
            update: Number of updates so far.
            updates: Number of updates of the training.
        """
        hot, cold = self._temperature
        share = 0.5 * (1.0 + math.cos(math.pi * min(update / updates, 1.0)))
        for gate in self._gates:
            gate.temperature = cold + (hot - cold) * share

    @property
    def temperature(self) -> float:
        """Current temperature of the sigmoid."""
        return self._gates[0].temperature

    def penalty(self) -> Optional[torch.Tensor]:
        """Return eta times the number of kept weights; None at the target."""
        if self.final:
            return None
        return self._eta * sum(gate.mask().sum() for gate in self._gates)

    @property
    def final(self) -> bool:
        """Whether the target is reached now."""
        return self.sparsity >= self._target

    @property
    def sparsity(self) -> float:
        """Share of the weights below their thresholds."""
        with torch.no_grad():
            kept = sum(gate.mask().sum().item() for gate in self._gates)
        return 1.0 - kept / self._total

    @staticmethod
    def plain_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return a state dict of masked weights with the names of the dense model."""
        plain = {}
        for name, value in state.items():
            if name.endswith("weight" + _ORIGINAL):
                dense = name[: -len(_ORIGINAL)]
                threshold = _UNIT * state[dense + _THRESHOLD]
                # Computed as in training, because of rounding at the threshold.
                keep = value.square() - threshold.square() >= 0
                plain[dense] = value * keep
            elif not name.endswith("weight" + _THRESHOLD):
                plain[name] = value
        return plain
