"""The encoder beside ESPnet's own Conformer, and inside ESPnet's registry."""

import torch
from dual_small import BINS, encode, features, small_encoder


class ChannelNorm(torch.nn.LayerNorm):
    """A LayerNorm where ESPnet has its BatchNorm: over ``(batch, channels, time)``."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def test_full_mode_is_espnets_conformer_but_for_the_normalisation():
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

    encoder = small_encoder()
    stock = ConformerEncoder(
        BINS,
        output_size=8,
        attention_heads=2,
        linear_units=10,
        num_blocks=2,
        macaron_style=True,
        rel_pos_type="latest",
        cnn_module_kernel=5,
    )
    for layer in stock.encoders:
        layer.conv_module.norm = ChannelNorm(8)
    stock.load_state_dict(encoder.state_dict(), strict=True)
    stock.double().eval()
    x = features(60, batch=2)
    lengths = torch.tensor([60, 41])
    with torch.no_grad():
        expected, frames, _ = stock(x, lengths)
        ours, our_frames, _ = encoder(x, lengths, mode="full")
    assert torch.equal(frames, our_frames)
    for i, count in enumerate(frames):
        assert torch.allclose(ours[i, :count], expected[i, :count], atol=3e-6)


def test_it_can_be_pickled_and_copied():
    import copy
    import pickle

    encoder = small_encoder(pruning={"sparsity": 0.5})
    encoder.pruner.set_sparsity(1.0)
    x = features(30)
    expected = encode(encoder, x, "streaming")
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(encode(other, x, "streaming"), expected)
        for _, groups, _ in other.pruner.masks():
            assert any(groups.module is module for module in other.modules())
