"""The contrast of single frames against a slow version that loops over frames."""

import math

import pytest
import torch

from espnet_plugin.distill.objectives import OBJECTIVES, EncoderOutputs
from espnet_plugin.distill.objectives.frame_contrast import FrameContrastObjective
from espnet_plugin.errors import UserError


def outputs(encoding, lengths):
    return EncoderOutputs(encoding, torch.zeros(()), torch.tensor(lengths))


def slow(ours, theirs, lengths, temperature, margin, max_delay):
    """Return the mean over the valid frames, one frame after the other."""
    total = 0.0
    for one, other, length in zip(ours, theirs, lengths):
        by_delay = []
        for delay in range(min(max_delay, length - 1) + 1):
            losses = []
            for t in range(delay, length):
                positive = t - delay
                scores = {
                    u: torch.cosine_similarity(one[t], other[u], dim=0) / temperature
                    for u in range(length)
                    if u == positive or abs(u - positive) > margin
                }
                every = torch.logsumexp(torch.stack(list(scores.values())), 0)
                losses.append(float(every - scores[positive]))
            by_delay.append(sum(losses) / len(losses))
        total += min(by_delay) * length
    return total / sum(lengths)


@pytest.mark.parametrize(
    ("margin", "max_delay"), [(0, 0), (2, 0), (0, 3), (1, 3), (0, 9)]
)
def test_it_is_what_a_loop_over_frames_computes(margin, max_delay):
    torch.manual_seed(0)
    ours, theirs = torch.randn(3, 7, 4), torch.randn(3, 7, 4)
    # The second one lags by two frames, the last has a single frame.
    ours[1, 2:] = theirs[1, :-2] + 0.1 * torch.randn(5, 4)
    lengths = [7, 6, 1]
    loss = FrameContrastObjective(
        4, temperature=0.2, margin=margin, max_delay=max_delay
    )(outputs(ours, lengths), outputs(theirs, lengths))
    expected = slow(ours, theirs, lengths, 0.2, margin, max_delay)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_equal_orthogonal_frames_have_the_known_loss():
    frames = torch.eye(4)[None]
    loss = FrameContrastObjective(4, temperature=0.5)(
        outputs(frames, [4]), outputs(frames, [4])
    )
    assert float(loss) == pytest.approx(math.log(1 + 3 * math.exp(-2)), abs=1e-6)


def test_a_lagging_student_costs_nothing_more_within_its_delay():
    torch.manual_seed(1)
    theirs = torch.randn(1, 12, 16)
    lagging = torch.randn(1, 12, 16)
    lagging[:, 3:] = theirs[:, :-3]
    at_most = {
        delay: float(
            FrameContrastObjective(16, max_delay=delay)(
                outputs(lagging, [12]), outputs(theirs, [12])
            )
        )
        for delay in (0, 2, 3, 5)
    }
    assert at_most[3] == at_most[5] < 0.1 * at_most[2]


def test_padding_does_not_count_and_leaves_no_nan_in_gradients():
    torch.manual_seed(2)
    ours, theirs = torch.randn(2, 6, 4), torch.randn(2, 6, 4)
    objective = FrameContrastObjective(4, teacher_dim=4, max_delay=1)
    short = outputs(ours[:, :4].clone(), [4, 3]), outputs(theirs[:, :4], [4, 3])
    ours[:, 4:] = ours[1, 3:] = theirs[:, 4:] = math.nan
    theirs[1, 3:] = math.nan
    given = ours.clone().requires_grad_()
    loss = objective(outputs(given, [4, 3]), outputs(theirs, [4, 3]))
    assert float(loss.detach()) == pytest.approx(float(objective(*short)), abs=1e-6)
    loss.backward()
    assert torch.isfinite(given.grad).all() and given.grad.abs().sum() > 0


def test_it_is_chosen_by_name_and_refused_without_single_frames():
    kind = OBJECTIVES["frame_contrast"]
    assert kind is FrameContrastObjective and kind.single_frames
    assert kind.looks_at == "encodings"


def test_another_frame_rate_is_refused():
    with pytest.raises(UserError, match="5 frames.* 6"):
        FrameContrastObjective(4)(
            outputs(torch.randn(1, 5, 4), [5]), outputs(torch.randn(1, 6, 4), [6])
        )


@pytest.mark.parametrize(
    ("option", "value"), [("temperature", 0.0), ("margin", -1), ("max_delay", -2)]
)
def test_values_out_of_range_are_refused(option, value):
    with pytest.raises(UserError, match=f"{option} {value}"):
        FrameContrastObjective(4, **{option: value})
