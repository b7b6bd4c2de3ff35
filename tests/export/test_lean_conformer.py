"""The rebuilt conformer and its attention against ESPnet's own modules."""

import pytest
import torch
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

try:
    from espnet2.legacy.nets.pytorch_backend.transformer import attention, embedding
except ImportError:  # before ESPnet 202609
    from espnet.nets.pytorch_backend.transformer import attention, embedding

from espnet_plugin.export.graph.attention import FactoredAttention, FactoredPositions
from espnet_plugin.export.graph.conformer import LeanConformer, is_lean
from espnet_plugin.export.graph.operators import quotient, reshaped, reshaped_like

WIDTH, HEADS = 32, 4


def build_attention():
    torch.manual_seed(1)
    return attention.RelPositionMultiHeadedAttention(HEADS, WIDTH, 0.0).eval()


# The last one is where a product of single-precision angles would be 3e-4 off.
@pytest.mark.parametrize("frames", [1, 2, 7, 300, 3000])
@torch.no_grad()
def test_factored_attention_is_espnets(frames):
    stock = build_attention()
    x = torch.randn(2 if frames < 1000 else 1, frames, WIDTH)
    mask = torch.ones(len(x), 1, frames, dtype=torch.bool)
    mask[-1, :, frames // 2 + 1 :] = False
    _, codes = embedding.RelPositionalEncoding(WIDTH, 0.0).eval()(x)
    expected = stock(x, x, x, codes, mask)
    hidden = torch.where(mask, 0.0, -1e9)[:, None]
    positions = FactoredPositions(WIDTH, WIDTH // HEADS)(frames, hidden)
    found = FactoredAttention(stock)(x.flatten(0, 1), x, positions)
    torch.testing.assert_close(found.view_as(x), expected, atol=2e-5, rtol=1e-4)


def build_encoder(**options):
    torch.manual_seed(2)
    base = dict(
        input_size=20,
        output_size=WIDTH,
        attention_heads=HEADS,
        linear_units=48,
        num_blocks=3,
        input_layer="conv2d",
        rel_pos_type="latest",
        cnn_module_kernel=7,
    )
    encoder = ConformerEncoder(**{**base, **options})
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return encoder.eval()


@pytest.mark.parametrize(
    "options",
    [
        dict(macaron_style=True),
        dict(input_layer="conv2d8"),
        dict(rel_pos_type="legacy"),
        dict(pos_enc_layer_type="abs_pos", selfattention_layer_type="selfattn"),
        dict(use_cnn_module=False, activation_type="relu"),
    ],
)
@torch.no_grad()
def test_a_batch_is_espnets(options):
    encoder = build_encoder(**options)
    assert is_lean(encoder)
    feats, lengths = torch.randn(3, 90, 20), torch.tensor([90, 41, 77])
    expected, counts, _ = encoder(feats, lengths)
    found, found_counts = LeanConformer(encoder, None)(feats, lengths)
    assert torch.equal(counts, found_counts)
    for row, other, count in zip(found, expected, counts):
        torch.testing.assert_close(row[:count], other[:count], atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        dict(normalize_before=False),
        dict(concat_after=True),
        dict(zero_triu=True),
        dict(positionwise_layer_type="conv1d", positionwise_conv_kernel_size=3),
    ],
)
def test_others_are_left_to_espnets_own_forward(options):
    assert not is_lean(build_encoder(**options))


def test_operators_are_torchs():
    x = torch.arange(24.0).view(2, 3, 4)
    assert torch.equal(reshaped(x, (0, -1)), x.view(2, 12))
    assert torch.equal(reshaped(x, (-1, 4)), x.view(6, 4))
    rows = x.view(6, 4)
    assert torch.equal(reshaped_like(rows, x, (2, 2)), x.view(2, 3, 2, 2))
    whole = torch.tensor([0, 1, 2, 7])
    assert torch.equal(quotient(whole, 2), whole // 2)
