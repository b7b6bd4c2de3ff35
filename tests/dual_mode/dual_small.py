"""A small encoder and features for it, for the tests of this folder."""

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder

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
