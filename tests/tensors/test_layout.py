"""Frozen convolutions lie otherwise in memory and say the same."""

import copy

import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    Conv2dSubsampling,
)

from espnet_plugin.tensors.layout import lay_out_frozen


def _last(kernel):
    return kernel.is_contiguous(memory_format=torch.channels_last)


def test_what_is_frozen_says_the_same():
    torch.manual_seed(0)
    plain = Conv2dSubsampling(40, 24, 0.0).eval()
    laid = copy.deepcopy(plain).requires_grad_(False)
    lay_out_frozen(laid)
    kernel = laid.conv[2].weight
    assert _last(kernel) and not kernel.is_contiguous()
    for name, value in plain.state_dict().items():
        assert torch.equal(laid.state_dict()[name], value), name
    speech, mask = torch.randn(3, 50, 40), torch.ones(3, 1, 50, dtype=torch.bool)
    with torch.no_grad():
        ours, theirs = laid(speech, mask)[0], plain(speech, mask)[0]
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert ours.std() > 0.1


def test_what_learns_stays_as_it_is():
    model = Conv2dSubsampling(40, 24, 0.0)
    model.conv[0].weight.requires_grad_(False)
    lay_out_frozen(model)
    assert _last(model.conv[0].weight)
    assert not _last(model.conv[2].weight) and model.conv[2].weight.is_contiguous()


def test_a_checkpoint_read_into_it_stays_laid_out():
    model = Conv2dSubsampling(40, 24, 0.0).requires_grad_(False)
    lay_out_frozen(model)
    other = Conv2dSubsampling(40, 24, 0.0)
    model.load_state_dict(other.state_dict())
    assert _last(model.conv[2].weight)
    assert torch.equal(model.conv[2].weight, other.conv[2].weight)
