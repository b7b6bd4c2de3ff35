"""Operations of convolutions, counted, against a sum over what is multiplied."""

import pytest
import torch

from espnet_plugin.cost.flop_counter import flop_counter


@pytest.mark.parametrize(
    "channels, filters, groups, kernel, stride",
    [(6, 6, 6, 5, 1), (6, 12, 3, 3, 2), (4, 8, 1, 3, 1), (8, 8, 2, 1, 1)],
)
def test_convolutions(channels, filters, groups, kernel, stride):
    utterances, frames = 3, 20
    layer = torch.nn.Conv1d(channels, filters, kernel, stride, groups=groups)
    inputs = torch.randn(utterances, channels, frames, requires_grad=True)
    with flop_counter() as counter:
        out = layer(inputs)
    # Every output is a sum over the kernel and the channels of its group.
    forward = 2 * out.numel() * kernel * channels // groups
    assert counter.get_total_flops() == forward
    with flop_counter() as counter:
        layer(inputs).sum().backward()
    # Each of those products is in the gradient of an input and in that of a weight.
    assert counter.get_total_flops() == 3 * forward
    with flop_counter() as counter:
        layer(inputs.detach()).sum().backward()
    assert counter.get_total_flops() == 2 * forward


def test_two_dimensions_and_other_layers():
    layer = torch.nn.Conv2d(4, 4, 3, groups=4)
    inputs = torch.randn(2, 4, 9, 7, requires_grad=True)
    with flop_counter() as counter:
        out = layer(inputs)
        out.sum().backward()
    assert counter.get_total_flops() == 3 * 2 * out.numel() * 9
    with flop_counter() as counter:
        torch.nn.Linear(5, 7)(torch.randn(11, 5))
    assert counter.get_total_flops() == 2 * 5 * 7 * 11
