"""Select the weights that a pruning method may set to zero."""

from typing import Sequence

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from espnet_plugin.errors import UserError

__all__ = ["count_weights", "final_sparsity", "prunable_modules", "refuse_uncalled"]

_MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d)


def prunable_modules(
    model: nn.Module, inside: str = "encoder.encoders.", without: Sequence[str] = ()
) -> list[tuple[str, nn.Module]]:
    """Return the linear and convolution layers of the encoder's blocks.

    Only their ``weight`` is pruned: no biases and no normalisation, whose gains the
    pruning baseline of the EncRL authors sets to zero as well.

    Args:
        model: Any module.
        inside: Beginning of the names of modules that are considered.
        without: Names of sub-modules that stay dense, e.g. ``conv_module``.

    Returns:
        ``(name, module)`` in the order of the model.

    Raises:
        UserError: If there are no such layers.
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
            f"there is nothing to prune inside {inside!r} without {list(without)}: "
            "shorten the list 'without'"
        )
    return found


def refuse_uncalled(modules: Sequence[tuple[str, nn.Module]]) -> None:
    """Refuse layers whose ``forward()`` is never called, for pruning during training.

    Masks are applied before each call of a layer. ``nn.MultiheadAttention`` reads the
    weight of its output projection (torch's class for layers that are read this way)
    without a call, so that the mask and what is loaded from a checkpoint would be
    ignored; see ``findings/torch_prune_attention.sh``.

    Args:
        modules: ``(name, module)`` of the modules to prune.

    Raises:
        UserError: If there is such a layer.
    """
    for name, module in modules:
        if isinstance(module, NonDynamicallyQuantizableLinear):
            raise UserError(
                f"{name} cannot be pruned during training: torch.nn.MultiheadAttention "
                "reads its weight without calling it, and no mask is applied; add "
                f"{name.split('.')[-1]} to the list 'without'"
            )


def count_weights(modules: Sequence[tuple[str, nn.Module]]) -> int:
    """Return the number of weights of the modules, zeros included."""
    return sum(module.weight.numel() for _, module in modules)


def final_sparsity(
    model: nn.Module, modules: Sequence[tuple[str, nn.Module]], nonzero: int
) -> float:
    """Return the share of the modules' weights to remove, for a number of parameters.

    Args:
        model: The dense model.
        modules: The modules that are pruned; the rest of the model does not change.
        nonzero: Number of parameters of the whole model that are to remain.

    Raises:
        UserError: If the rest alone has more parameters, or the model has fewer.
    """
    total = sum(p.numel() for p in model.parameters())
    weights = count_weights(modules)
    rest = total - weights
    if not rest < nonzero <= total:
        raise UserError(
            f"the model cannot be pruned to {nonzero} parameters: choose a size above "
            f"{rest}, which are not pruned, and up to {total}, which it has"
        )
    return 1.0 - (nonzero - rest) / weights
