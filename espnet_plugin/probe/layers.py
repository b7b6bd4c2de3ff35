"""The outputs of all layers of a frozen recogniser, in one forward pass."""

from typing import Sequence

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from torch.nn.utils.rnn import pad_sequence

from espnet_plugin.checkpoints.load import count_layers
from espnet_plugin.decode.posteriors import features_alone, masks_padding
from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.errors import UserError
from espnet_plugin.probe.fit import LayerOutputs

__all__ = ["freeze", "layer_outputs"]


def freeze(model: ESPnetASRModel, where: str) -> ESPnetASRModel:
    """Put a model into evaluation mode and disable its gradients.

    Args:
        model: The model.
        where: Name of the model in messages.

    Raises:
        UserError: If its encoder has no list of layers, or changes frames between
        layers.
    """
    name = type(model.encoder).__name__
    if not count_layers(model):
        raise UserError(
            f"{where}: the encoder {name} has no list of layers to probe: give a model "
            "with a conformer, transformer, branchformer or e_branchformer"
        )
    for option in ("ctc_trim", "interctc_use_conditioning"):
        if getattr(model.encoder, option, False):
            raise UserError(
                f"{where}: {option} changes the frames between the layers of the "
                f"encoder {name}, so its layers cannot be compared"
            )
    return model.eval().requires_grad_(False)


@torch.no_grad()
def layer_outputs(
    model: ESPnetASRModel, speech: Sequence[torch.Tensor], mode: str = "full"
) -> LayerOutputs:
    """Compute the outputs of every layer as if each utterance were alone.

    Args:
        model: The model, from :func:`freeze`.
        speech: Samples ``(samples,)`` or features ``(frames, dim)`` of each utterance.
        mode: ``full``, or ``streaming`` with an encoder of two modes.

    Returns:
        The outputs; an utterance that is too short for the subsampling has no frames.

    Raises:
        UserError: If the encoder has no such mode.
    """
    device = next(model.parameters()).device
    features = [features_alone(model, one.to(device)) for one in speech]
    usable = [index for index, one in enumerate(features) if one is not None]
    groups = [usable] if masks_padding(model) else [[index] for index in usable]
    rows: list[list[torch.Tensor]] = [[] for _ in range(count_layers(model))]
    found: list[list[torch.Tensor]] = [[] for _ in speech]
    for group in filter(None, groups):
        sizes = torch.tensor([len(features[index]) for index in group], device=device)
        padded = pad_sequence([features[index] for index in group], batch_first=True)
        layers, frames = _encode(model, padded, sizes, mode)
        for row, index in enumerate(group):
            found[index] = [one[row, : frames[row]] for one in layers]
    width = model.encoder.output_size()
    nothing = torch.zeros(0, width, device=device)
    lengths = [len(one[0]) if one else 0 for one in found]
    for number, row in enumerate(rows):
        row.extend(one[number] if one else nothing for one in found)
    return LayerOutputs(
        [pad_sequence(row, batch_first=True) for row in rows],
        torch.tensor(lengths, device=device),
    )


def _encode(
    model: ESPnetASRModel, features: torch.Tensor, sizes: torch.Tensor, mode: str
) -> tuple[list[torch.Tensor], torch.Tensor]:
    encoder = model.encoder
    if model.preencoder is not None:
        features, sizes = model.preencoder(features, sizes)
    if isinstance(encoder, DualModeConformerEncoder):
        return encoder.layer_outputs(features, sizes, mode)
    if mode != "full":
        raise UserError(
            f"mode {mode!r}: the encoder {type(encoder).__name__} only has full context"
        )
    outputs: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda module, given, out: outputs.append(out))
        for layer in encoder.encoders
    ]
    try:
        _, lengths, _ = encoder(features, sizes)
    finally:
        for hook in hooks:
            hook.remove()
    return [_first(one) for one in outputs], lengths


def _first(output) -> torch.Tensor:
    """Return the frames of an ESPnet layer's output, which may have masks and more."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    return output
