"""Which weights a pruning method may set to zero."""

from typing import Sequence

from torch import nn

from espnet_plugin.errors import UserError

__all__ = ["count_weights", "final_sparsity", "prunable_modules"]

_MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d)


def prunable_modules(
    model: nn.Module, inside: str = "encoder.encoders.", without: Sequence[str] = ()
) -> list[tuple[str, nn.Module]]:
    """Return the linear and convolution layers of the encoder's blocks.

    Only their ``weight`` is meant: neither biases nor anything of a normalisation,
    whose gains the authors' pruning baseline sets to zero as well.

    Args:
        model: Any module.
        inside: Beginning of the names looked at.
        without: Names of sub-modules to leave alone, e.g. ``conv_module``.

    Returns:
        ``(name, module)`` in the model's order.

    Raises:
        UserError: If there is none.
    """
    found = [
        (name, module)
        for name, module in model.named_modules()
        if name.startswith(inside)
        and isinstance(module, _MATRICES)
        and not set(name.split(".")) & set(without)
    ]
    if not found:
        raise UserError(
            f"there is nothing to prune inside {inside!r} without {list(without)}"
        )
    return found


def count_weights(modules: Sequence[tuple[str, nn.Module]]) -> int:
    """Return how many weights the modules have, zeros included."""
    return sum(module.weight.numel() for _, module in modules)


def final_sparsity(
    model: nn.Module, modules: Sequence[tuple[str, nn.Module]], nonzero: int
) -> float:
    """Return the share of the modules' weights to remove for a whole count.

    Args:
        model: The dense model.
        modules: The modules that are pruned; the rest of the model stays.
        nonzero: Parameters of the model that are to be left.

    Raises:
        UserError: If the rest alone has more, or the model has fewer to begin with.
    """
    total = sum(p.numel() for p in model.parameters())
    weights = count_weights(modules)
    rest = total - weights
    if not rest < nonzero <= total:
        raise UserError(
            f"the model cannot be pruned to {nonzero} parameters: it has {total}, of "
            f"which {rest} are not pruned"
        )
    return 1.0 - (nonzero - rest) / weights
