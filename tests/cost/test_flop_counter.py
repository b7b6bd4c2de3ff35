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


def counted(run) -> int:
    with flop_counter() as counter:
        run()
    return counter.get_total_flops()


def test_fused_attention_counts_as_much_as_its_two_products():
    heads, frames, width = 4, 30, 8
    query, key, value = (
        torch.randn(2, heads, frames, width, requires_grad=True) for _ in range(3)
    )

    def fused():
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)

    def plain():
        scores = (query @ key.transpose(2, 3) / width**0.5).softmax(-1)
        return scores @ value

    assert torch.allclose(fused(), plain(), atol=1e-5)
    assert counted(fused) == counted(plain) == 2 * 2 * 2 * heads * frames**2 * width
    # The fused gradient computes the scores once more: five products instead of four.
    both = counted(lambda: plain().sum().backward())
    again = counted(plain) // 2
    assert counted(lambda: fused().sum().backward()) == both + again


@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, True)])
def test_lstm_counts_as_much_as_its_cells(layers, bidirectional):
    utterances, frames, width, units = 3, 7, 5, 6
    lstm = torch.nn.LSTM(width, units, layers, bidirectional=bidirectional)
    inputs = torch.randn(frames, utterances, width, requires_grad=True)
    directions = 2 if bidirectional else 1
    forward = 0
    for layer in range(layers):
        cell = torch.nn.LSTMCell(units * directions if layer else width, units)
        step = torch.randn(utterances, cell.input_size)
        forward += frames * directions * counted(lambda: cell(step))
    assert forward > 0 and counted(lambda: lstm(inputs)) == forward
    assert counted(lambda: lstm(inputs)[0].sum().backward()) == 3 * forward


def test_matrix_times_vector():
    assert counted(lambda: torch.randn(5, 7) @ torch.randn(7)) == 2 * 5 * 7
