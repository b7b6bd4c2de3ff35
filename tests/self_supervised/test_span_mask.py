"""Span masks: how many frames, how long the spans, never on padding."""

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.masking import SpanMask


def draw(lengths, frames=None, seed=0, **options):
    lengths = torch.tensor(lengths)
    generator = torch.Generator().manual_seed(seed)
    frames = int(lengths.max()) if frames is None else frames
    return SpanMask(**options)(lengths, frames, generator)


def runs(row):
    """Lengths of the stretches of True."""
    text = "".join("x" if value else " " for value in row.tolist())
    return [len(part) for part in text.split()]


@pytest.mark.parametrize("seed", range(5))
def test_spans_are_whole_and_never_on_padding(seed):
    lengths = [40, 7, 5, 23, 31]
    mask = draw(lengths, 50, seed, start_probability=0.1, span_frames=5)
    for row, length in zip(mask, lengths):
        assert not row[length:].any()
        assert runs(row) and min(runs(row)) >= 5


def test_frames_of_one_span_are_counted_exactly():
    # Spans of one frame cannot overlap: 0.25 of 40 is 10; of 10 it is 2 or 3.
    for seed in range(20):
        counts = draw([40, 10], 40, seed, start_probability=0.25, span_frames=1).sum(1)
        assert counts[0] == 10 and counts[1] in (2, 3)


def test_the_share_is_that_of_overlapping_spans():
    mask = draw([2000] * 20, start_probability=0.13, span_frames=5)
    expected = 1 - (1 - 0.13) ** 5
    assert mask.float().mean().item() == pytest.approx(expected, abs=0.01)


def test_every_frame_can_be_masked_and_early_ones_no_more_than_late_ones():
    count = sum(
        draw([12], 15, s, start_probability=0.05, span_frames=3) for s in range(600)
    )
    assert (count[0, :12] > 0).all() and not count[0, 12:].any()
    inner = count[0, 2:10].float()  # as many spans can cover each
    assert inner.max() / inner.min() < 1.5


def test_one_span_at_least_where_it_fits():
    for seed in range(10):
        mask = draw([5, 6, 4, 1, 0], 9, seed, start_probability=0.01, span_frames=5)
        assert mask.sum(1).tolist() == [5, 5, 0, 0, 0]


def test_all_frames_may_begin_a_span():
    mask = draw([9, 4], 12, start_probability=1.0, span_frames=2)
    assert mask.sum(1).tolist() == [9, 4]


def test_masks_differ_from_call_to_call_and_follow_torchs_seed():
    spans, lengths = SpanMask(0.1, 3), torch.tensor([50])
    torch.manual_seed(0)
    one, two = spans(lengths, 50), spans(lengths, 50)
    torch.manual_seed(0)
    assert not torch.equal(one, two) and torch.equal(spans(lengths, 50), one)


@pytest.mark.parametrize(
    "conf, named",
    [
        (dict(start_probability=0.0), "start_probability 0.0"),
        (dict(start_probability=1.1), "start_probability 1.1"),
        (dict(span_frames=0), "span_frames 0"),
    ],
)
def test_impossible_options_are_refused(conf, named):
    with pytest.raises(UserError, match=named):
        SpanMask(**conf)
