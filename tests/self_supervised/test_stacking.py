"""Feature frames of an encoder frame, for the sub-samplings that there are."""

import pytest
import torch

from espnet_plugin.dual_mode.subsampling import INPUT_LAYERS, Subsampling
from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.stacking import FrameStacking


def read_by(embed, frames):
    """Return for each encoder frame which feature frames change it."""
    x = torch.zeros(1, frames, 20, requires_grad=True)
    out = embed(x + 0.1)
    read = []
    for t in range(out.shape[1]):
        (gradient,) = torch.autograd.grad(out[0, t].sum(), x, retain_graph=True)
        read.append(gradient[0].abs().sum(1).nonzero()[:, 0].tolist())
    return read


@pytest.mark.parametrize("input_layer", INPUT_LAYERS)
@pytest.mark.parametrize("more", range(9))
def test_each_encoder_frame_has_frames_of_its_own_that_it_reads(input_layer, more):
    torch.manual_seed(0)
    embed = Subsampling(20, 6, input_layer).double()
    frames = embed.span + 2 * embed.stride + more
    x = torch.zeros(1, frames, 20).double()
    assert embed(x).shape[1] == embed.frames(frames)
    stacking = FrameStacking(embed.stride, embed.span)
    assert stacking.frames(frames) == embed.frames(frames)
    numbers = torch.arange(frames)[None, :, None].expand(1, -1, 20)
    stacked = stacking.stack(numbers).view(1, -1, embed.stride, 20)
    assert (stacked == stacked[..., :1]).all()
    stacked = stacked[0, :, :, 0].tolist()
    assert len(stacked) == embed.frames(frames)
    flat = [n for one in stacked for n in one]
    assert flat == list(range(flat[0], flat[-1] + 1))  # none twice, none left out
    for t, own in enumerate(stacked):
        span = range(t * embed.stride, t * embed.stride + embed.span)
        # In the middle of what the encoder frame reads, to half a frame.
        assert set(own) <= set(span)
        before, after = own[0] - span[0], span[-1] - own[-1]
        assert after - before in (0, 1)


def test_the_encoder_frame_does_read_them():
    torch.manual_seed(0)
    embed = Subsampling(20, 6, "conv2d").double()
    read = read_by(embed.float(), 21)
    stacking = FrameStacking(embed.stride, embed.span)
    numbers = torch.arange(21.0)[None, :, None]
    for own, needed in zip(stacking.stack(numbers)[0].tolist(), read):
        assert set(own) <= set(needed)


def test_too_few_frames_make_none():
    stacking = FrameStacking(4, 7)
    assert [stacking.frames(n) for n in (0, 6, 7, 10, 11)] == [0, 0, 1, 1, 2]
    assert stacking.stack(torch.zeros(2, 6, 3)).shape == (2, 0, 12)


def test_a_mask_reaches_the_frames_that_are_stacked_and_no_others():
    stacking = FrameStacking(4, 7)
    mask = torch.rand(3, stacking.frames(31), generator=torch.manual_seed(0)) < 0.4
    spread = stacking.spread(mask, 31)
    # Stacked marks are all of a frame's, or none.
    stacked = stacking.stack(spread[..., None])
    assert torch.equal(stacked.all(-1), mask) and torch.equal(stacked.any(-1), mask)
    assert int(spread.sum()) == 4 * int(mask.sum())


def test_gaps_are_refused():
    with pytest.raises(UserError, match="stride 4, span 3"):
        FrameStacking(4, 3)
    with pytest.raises(UserError, match="stride 0"):
        FrameStacking(0, 3)
