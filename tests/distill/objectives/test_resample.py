"""Resampled outputs against areas counted one by one."""

import math

import pytest
import torch

from espnet_plugin.distill.objectives import EncoderOutputs, resample_outputs

VOCABULARY, DIM = 5, 4


def teacher(lengths, seed=0):
    """Return outputs with NaN on the padding."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    logits = 4 * torch.randn(*shape, VOCABULARY, generator=generator)
    encoding = torch.randn(*shape, DIM, generator=generator)
    for row, length in enumerate(lengths):
        logits[row, length:] = encoding[row, length:] = torch.nan
    return EncoderOutputs(encoding, logits.log_softmax(-1), torch.tensor(lengths))


def by_area(posteriors, frames):
    """Return the mean posterior under each new frame, with a loop over a fine grid.

    Every old frame is repeated ``frames`` times, so that new frames are whole runs.
    """
    old = len(posteriors)
    fine = [posteriors[i // frames] for i in range(old * frames)]
    return [sum(fine[j * old : (j + 1) * old]) / old for j in range(frames)]


@pytest.mark.parametrize(
    "old, new",
    [([12, 7], [6, 4]), ([9, 5], [6, 3]), ([6, 2], [11, 5]), ([5, 1], [2, 1])],
)
def test_each_frame_is_the_mean_of_what_it_covers(old, new):
    outputs = teacher(old)
    result = resample_outputs(outputs, torch.tensor(new), max(new) + 2)
    assert result.log_posteriors.shape == (2, max(new) + 2, VOCABULARY)
    assert result.lengths.tolist() == new and result.encoding is None
    for row in range(2):
        expected = by_area(outputs.log_posteriors[row, : old[row]].exp(), new[row])
        actual = result.log_posteriors[row, : new[row]].exp()
        torch.testing.assert_close(actual, torch.stack(expected))
        assert not result.log_posteriors[row, new[row] :].any()


def test_means_over_time_stay():
    outputs = teacher([13, 8])
    result = resample_outputs(outputs, torch.tensor([5, 5]), 5)
    for row, length in enumerate((13, 8)):
        torch.testing.assert_close(
            result.log_posteriors[row].exp().mean(0),
            outputs.log_posteriors[row, :length].exp().mean(0),
        )
    torch.testing.assert_close(result.mean_encoding(), outputs.mean_encoding())


def test_the_same_frames_stay_as_they_are():
    outputs = teacher([6, 4])
    result = resample_outputs(outputs, outputs.lengths, 6)
    for row, length in enumerate((6, 4)):
        assert torch.equal(
            result.log_posteriors[row, :length], outputs.log_posteriors[row, :length]
        )


def test_improbable_tokens_keep_their_logarithm():
    # exp(-200) is nothing in single precision.
    values = torch.tensor([[[0.0, -200.0], [0.0, -200.0 + math.log(3.0)]]])
    outputs = EncoderOutputs(torch.zeros(1, 2, 1), values, torch.tensor([2]))
    result = resample_outputs(outputs, torch.tensor([1]), 1)
    assert result.log_posteriors[0, 0, 1].item() == pytest.approx(
        -200 + math.log(2.0), abs=1e-4
    )


def test_stored_means_are_handed_on():
    outputs = teacher([4, 2])
    pooled = torch.randn(2, DIM)
    stored = EncoderOutputs(None, outputs.log_posteriors, outputs.lengths, pooled)
    assert resample_outputs(stored, torch.tensor([2, 1]), 2).pooled is pooled


def test_an_utterance_without_frames_gives_none():
    result = resample_outputs(teacher([4, 3]), torch.tensor([2, 0]), 2)
    assert torch.isfinite(result.log_posteriors).all()
    assert not result.log_posteriors[1].any()
