"""A small encoder and what goes in, for the tests of both modes."""

import torch
from torch import nn

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.layer import ConformerLayer, LayerSize

BINS = 9


def small_encoder(seed=0, **options):
    """Two layers of width 8, in float64, in eval mode, with every bias set."""
    torch.manual_seed(seed)
    encoder = DualModeConformerEncoder(
        **{
            **dict(input_size=BINS, output_size=8, attention_heads=2, num_blocks=2),
            **dict(linear_units=10, cnn_module_kernel=5, macaron_style=True),
            **dict(chunk_frames=4, left_context_frames=5, look_ahead_frames=2),
            **options,
        }
    )
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder.double().eval()


def features(frames, batch=1, seed=0):
    """``(batch, frames, BINS)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, BINS, generator=generator, dtype=torch.float64)


def encode(encoder, x, mode):
    """All frames of utterances of full length."""
    with torch.no_grad():
        return encoder(x, torch.full((len(x),), x.shape[1]), mode=mode)[0]


def small_layers(layers=2, heads=4):
    """Layers of width 8 with 10 units and 6 channels, as they start."""
    torch.manual_seed(0)
    size = LayerSize(heads=heads, units=10, channels=6, macaron_units=10)
    return nn.ModuleList(
        ConformerLayer(8, size, 2, 3, 0.0, 0.0, nn.SiLU(), macaron=True)
        for _ in range(layers)
    )


def scalar_of(root):
    """One scalar out of all layers."""
    torch.manual_seed(1)
    dtype = next(root.parameters()).dtype
    x = torch.randn(2, 5, 8).to(dtype)
    valid = torch.ones(2, 5, dtype=torch.bool)
    codes = torch.randn(9, 8).to(dtype)
    for layer in root:
        x = layer(x, codes, valid)
    # Weighted at random: layers end in a normalisation, so plain sums are constant.
    return (x * torch.randn(x.shape).to(dtype)).sum()
