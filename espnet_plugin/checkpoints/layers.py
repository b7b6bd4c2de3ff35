"""The encoder layers of a state dict: find their tensors, and keep some layers."""

import re
from typing import Any, Iterable, Mapping, Sequence

import torch

__all__ = [
    "is_layer",
    "keep_layer_settings",
    "keep_layers",
    "layer_origins",
    "present_names",
]

# espnet2 conformer, transformer, branchformer and e_branchformer alike.
_LAYER = re.compile(r"^(encoder\.encoders\.)(\d+)(\..*)$")
# The linear layer of the subsampling, before ESPnet 202609.
_OLD_OUT = re.compile(r"^encoder\.embed\.out\.0\.(weight|bias)$")
# Of their options, those that may be lists with a value a layer.
_BY_LAYER = ("stochastic_depth_rate", "cgmlp_weight", "attn_branch_drop_rate")


def keep_layers(
    state: Mapping[str, torch.Tensor], layers: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Return a state dict with only these encoder layers, counted from 0."""
    return {new: state[old] for new, old in layer_origins(state, layers).items()}


def keep_layer_settings(
    encoder_conf: Mapping[str, Any], layers: Sequence[int]
) -> dict[str, Any]:
    """Return the options of an encoder that keeps only some layers.

    Args:
        encoder_conf: ``encoder_conf`` of the whole model.
        layers: The kept layers, counted from 0.
    """
    kept = {**encoder_conf, "num_blocks": len(layers)}
    for name in _BY_LAYER:
        if isinstance(kept.get(name), (list, tuple)):
            kept[name] = [kept[name][layer] for layer in layers]
    return kept


def is_layer(name: str) -> bool:
    """Return whether a tensor belongs to an encoder layer."""
    return _LAYER.match(name) is not None


def layer_origins(names: Iterable[str], layers: Sequence[int]) -> dict[str, str]:
    """Return old names by new ones; a layer may be in ``layers`` several times."""
    origins = {}
    for name in names:
        match = _LAYER.match(name)
        if match is None:
            origins[name] = name
            continue
        for new, old in enumerate(layers):
            if old == int(match[2]):
                origins[f"{match[1]}{new}{match[3]}"] = name
    return origins


def present_names(
    state: Mapping[str, torch.Tensor], own: Iterable[str]
) -> dict[str, torch.Tensor]:
    """Return a state dict of any release of ESPnet with the names of the present one.

    ESPnet's layers do this while they load, but not if tensors are compared by name.

    Args:
        state: Tensors by name.
        own: Names in the model that they are meant for.
    """
    own = set(own)
    renamed = {}
    for name, value in state.items():
        new = _OLD_OUT.sub(r"encoder.embed.out.\1", name)
        renamed[new if name not in own and new in own else name] = value
    return renamed
