"""The number of encoder layers in a configuration."""

import pytest

from espnet_plugin.checkpoints.depth import encoder_depth


@pytest.mark.parametrize(
    "encoder, conf, layers",
    [
        ("conformer", {"num_blocks": 12}, 12),
        ("rnn", {"num_layers": 3}, 3),
        # Table 1 of the Whisper paper.
        ("whisper", {"whisper_model": "tiny.en"}, 4),
        ("whisper", {"whisper_model": "base"}, 6),
        ("whisper", {"whisper_model": "medium"}, 24),
        ("whisper", {"whisper_model": "turbo"}, 32),
        ("whisper", {}, 12),  # ESPnet's default is small
        ("whisper", {"whisper_model": "mine"}, 0),
        ("conformer", {}, 0),
        ("conformer", {"num_blocks": "6"}, 0),
        ("conformer", None, 0),
    ],
)
def test_layers_of_an_encoder(encoder, conf, layers):
    assert encoder_depth({"encoder": encoder, "encoder_conf": conf}) == layers
