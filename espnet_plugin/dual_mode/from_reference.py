"""Start a supernet from the layers of a trained Conformer of ESPnet."""

from typing import Mapping, Sequence

import torch

from espnet_plugin.checkpoints.layers import layer_origins, present_names
from espnet_plugin.errors import UserError

__all__ = ["copied_from_reference"]

_NORM = ".conv_module.norm."
_DEPTHWISE = ".conv_module.depthwise_conv."
_EMBED = "encoder.embed."
_PRUNER = "encoder.pruner."
_EPS = 1e-5  # of torch's BatchNorm1d, which ESPnet does not change


def copied_from_reference(
    reference: Mapping[str, torch.Tensor],
    own: Mapping[str, torch.Tensor],
    layers: Sequence[int],
) -> dict[str, torch.Tensor]:
    """Return the tensors of a supernet that start from a reference.

    Layers, the last normalisation, the subsampling and the CTC layer are copied. Two
    things differ between ESPnet's Conformer and the supernet:

    * The convolution module of the supernet has a LayerNorm instead of BatchNorm. The
      scale and shift of the BatchNorm in evaluation move into the depth-wise
      convolution. The LayerNorm gets one gain and one bias for all channels, with which
      its output has the mean and variance that BatchNorm's output has over the training
      data: mean ``m = mean(beta)``, variance ``mean(gamma^2) + var(beta)``.
    * A narrower subsampling (``front_channels``) gets the channels with the largest
      weights: of a channel, the mean of ``|w|`` of the weights that write it times that
      of those that read it.

    Args:
        reference: State dict of the reference.
        own: State dict of the supernet.
        layers: Index of the reference's layer for each layer of the supernet.

    Returns:
        Tensors by the supernet's names, of its shapes. Normalisation statistics, masks
        and counters are not among them.

    Raises:
        UserError: If a tensor is missing in the reference, has another shape, or holds
            values that are not finite.
    """
    named = present_names(reference, own)
    state = {new: named[old] for new, old in layer_origins(named, layers).items()}
    state = {name: _precise(value) for name, value in state.items()}
    state = _narrow_front(_without_batch_norm(state), own)
    wanted = [
        name
        for name in own
        if name.startswith(("encoder.", "ctc.")) and not name.startswith(_PRUNER)
    ]
    for name in wanted:
        if name not in state:
            raise UserError(
                f"reference_layers: the reference has no {name}, so the training "
                "cannot start from it: give another --reference, or remove "
                "reference_layers from the row"
            )
        if state[name].shape != own[name].shape:
            raise UserError(
                f"reference_layers: {name} has shape {tuple(state[name].shape)} in the "
                f"reference and {tuple(own[name].shape)} in the supernet: change the "
                "training's encoder_conf (of its sizes only front_channels may be "
                "smaller), or remove reference_layers from the row"
            )
        if not torch.isfinite(state[name]).all():
            raise UserError(
                f"reference_layers: {name} holds NaN or infinite values in the "
                "reference, whose training diverged: give an earlier checkpoint with "
                "--reference_config and --reference_model_file, or another --reference"
            )
    return {name: state[name] for name in wanted}


def _precise(value: torch.Tensor) -> torch.Tensor:
    """Return half precision as single precision, in which products are rounded less."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def _without_batch_norm(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Move each BatchNorm into its depth-wise convolution and a LayerNorm."""
    state = dict(state)
    for name in [key for key in state if key.endswith(f"{_NORM}running_var")]:
        layer = name[: -len(f"{_NORM}running_var")]
        gamma, beta = (state[f"{layer}{_NORM}{key}"] for key in ("weight", "bias"))
        mean, variance = (
            state.pop(f"{layer}{_NORM}running_{key}") for key in ("mean", "var")
        )
        state.pop(f"{layer}{_NORM}num_batches_tracked", None)
        scale = gamma / torch.sqrt(variance + _EPS)
        weight, bias = (f"{layer}{_DEPTHWISE}{key}" for key in ("weight", "bias"))
        state[weight] = state[weight] * scale[:, None, None]
        state[bias] = (state[bias] - mean) * scale + beta
        spread = gamma.square().mean() + beta.var(unbiased=False)
        state[f"{layer}{_NORM}weight"] = torch.full_like(gamma, float(spread.sqrt()))
        state[f"{layer}{_NORM}bias"] = torch.full_like(beta, float(beta.mean()))
    return state


def _narrow_front(
    state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Keep the channels with the largest weights in each convolution."""
    state = dict(state)
    convolutions = sorted(
        (
            key[: -len(".weight")]
            for key in own
            if key.startswith(f"{_EMBED}conv.") and key.endswith(".weight")
        ),
        key=lambda key: int(key.rsplit(".", 1)[1]),
    )
    for here, reader in zip(convolutions, [*convolutions[1:], f"{_EMBED}out"]):
        wanted = len(own[f"{here}.weight"])
        written = state.get(f"{here}.weight")
        read = state.get(f"{reader}.weight")
        if written is None or read is None or len(written) <= wanted:
            continue
        count = len(written)
        # ``out`` reads the bins of one channel after those of another.
        reads = read.reshape(len(read), count, -1)
        size = written.abs().flatten(1).mean(1) * reads.abs().mean((0, 2))
        kept = size.topk(wanted).indices.sort().values
        state[f"{here}.weight"] = written[kept]
        state[f"{here}.bias"] = state[f"{here}.bias"][kept]
        shape = (
            (len(read), -1) if read.dim() == 2 else (len(read), wanted, *read.shape[2:])
        )
        state[f"{reader}.weight"] = reads[:, kept].reshape(shape)
    return state
