"""The rearranged chunk says what ``stream()`` says, whatever the sizes."""

import pytest
import torch
from torch import nn

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.export.streaming.step import ChunkLayers, SubsampledFrames

BINS, TOKENS = 20, 7
PRUNED = dict(
    attention_heads=[2, 4, 1],
    linear_units=[5, 10, 8],
    macaron_units=[3, 7, 10],
    conv_channels=[4, 8, 5],
    head_width=3,
    front_channels=[5, 3],
    streaming_only=True,
    mode="streaming",
)
CASES = {
    "pruned": dict(PRUNED, macaron_style=True),
    "no macaron": {k: v for k, v in PRUNED.items() if k != "macaron_units"},
    "whole": {},
    "no look-ahead": dict(look_ahead_frames=0),
    "look-ahead of a chunk": dict(look_ahead_frames=4),
    "no left context": dict(left_context_frames=0),
    "left context less than a chunk": dict(left_context_frames=3),
    "much left context": dict(left_context_frames=50),
    "chunks of one frame": dict(chunk_frames=1, look_ahead_frames=1),
    "kernel of one": dict(cnn_module_kernel=1),
    "kernel longer than a chunk": dict(cnn_module_kernel=15),
    "conv2d6, relu": dict(input_layer="conv2d6", activation_type="relu"),
    "conv2d8, gelu": dict(input_layer="conv2d8", activation_type="gelu"),
}


def encoder_of(conf):
    torch.manual_seed(0)
    encoder = DualModeConformerEncoder(
        **{
            **dict(input_size=BINS, output_size=8, attention_heads=2, num_blocks=3),
            **dict(linear_units=10, cnn_module_kernel=5, chunk_frames=4),
            **dict(left_context_frames=6, look_ahead_frames=2),
            **conf,
        }
    )
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder.double().eval()


@pytest.mark.parametrize("name", CASES)
def test_every_chunk_is_that_of_stream(name):
    encoder = encoder_of(CASES[name])
    output = nn.Linear(8, TOKENS).double()
    with encoder.using("streaming"):
        chunk, left, ahead = chunking = encoder.chunking()
    chunks = left // chunk + 4
    total = encoder.embed.span + encoder.embed.stride * (chunk * chunks + ahead - 1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, total, BINS, generator=generator, dtype=torch.float64)
    frames, _ = encoder.stream(x)
    with torch.no_grad():
        expected = output(frames)[0].log_softmax(-1)
        layers = ChunkLayers(encoder, output, chunking)
        subsample = SubsampledFrames(encoder.embed, encoder.output_size() ** 0.5)
        inputs = subsample(x)
        attention = torch.zeros(left, sum(layers.attention)).double()
        convolution = torch.zeros(layers.reach, sum(layers.convolution)).double()
        found = []
        for number in range(chunks):
            own = inputs[number * chunk : (number + 1) * chunk + ahead]
            hidden = torch.zeros(left + chunk + ahead).double()
            hidden[: max(0, left - number * chunk)] = -1e9
            out, attention, convolution = layers(own, hidden, attention, convolution)
            found.append(out)
    assert len(expected) == chunks * chunk
    torch.testing.assert_close(torch.cat(found), expected, rtol=0, atol=1e-10)


def test_the_encoder_is_left_as_it_was():
    encoder = encoder_of(CASES["pruned"])
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with encoder.using("streaming"):
        chunking = encoder.chunking()
    SubsampledFrames(encoder.embed, 2.0)
    ChunkLayers(encoder, nn.Linear(8, TOKENS).double(), chunking)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
