"""Importance of groups to the loss, against finite differences."""

import copy

import pytest
import torch
from dual_small import scalar_of, small_layers

from espnet_plugin.dual_mode.importance import MaskGradients
from espnet_plugin.dual_mode.masks import SelfPruner

KINDS = ("heads", "units")


def pruner_of(root, **options):
    fixed = {"granularity": KINDS, "criterion": "taylor", "begin": 0.0, "every": 1}
    return SelfPruner(root, **{**fixed, **options})


def backward(pruner, root, factor=1.0):
    with pruner.applied():
        loss = scalar_of(root) * factor
    loss.backward()


def reader(groups):
    return groups.module.linear_out if groups.kind == "heads" else groups.module.w_2


def slopes(pruner, root, factor=1.0):
    """The loss's slope along every entry of every mask, from both sides of it."""
    found = []
    kept = [(reader(groups).weight, mask) for _, groups, mask in pruner.masks()]
    dense = [weight.detach().clone() for weight, _ in kept]
    with torch.no_grad():
        for number, (weight, mask) in enumerate(kept):
            slope = torch.zeros_like(mask)
            for i in range(len(mask)):
                sides = []
                for shift in (1e-5, -1e-5):
                    for other, (w, m) in enumerate(kept):
                        moved = m.clone()
                        if other == number:
                            moved[i] += shift
                        w.copy_(
                            dense[other] * moved.repeat_interleave(w.shape[1] // len(m))
                        )
                    sides.append(float(scalar_of(root) * factor))
                slope[i] = (sides[0] - sides[1]) / 2e-5
            found.append(slope)
        for (weight, _), before in zip(kept, dense):
            weight.copy_(before)
    return found


def test_scores_are_the_mean_of_the_squared_slopes():
    root = small_layers().double()
    pruner = pruner_of(root, every=100).double()
    pruner.step(100)
    pruner.set_sparsity(0.5)  # some are off: they have a slope too
    expected = [torch.zeros_like(mask) for *_, mask in pruner.masks()]
    for batches in ([1.0], [0.5, 2.0]):  # the second update is of two batches
        sums = [torch.zeros_like(mask) for *_, mask in pruner.masks()]
        for factor in batches:
            backward(pruner, root, factor)
            sums = [a + b for a, b in zip(sums, slopes(pruner, root, factor))]
        pruner.step(100)  # takes the sums to the mean; the masks move after a hundred
        expected = [0.99 * m + 0.01 * s.square() for m, s in zip(expected, sums)]
    means = [v for k, v in pruner.named_buffers() if "mean_" in k]
    assert len(means) == len(expected)
    for mean, wanted, (*_, mask) in zip(means, expected, pruner.masks()):
        assert 0 < mask.sum() < len(mask) and wanted[mask == 0].all()
        assert torch.allclose(mean, wanted, rtol=1e-4)


def test_the_groups_that_the_loss_needs_stay():
    root = small_layers()
    pruner = pruner_of(root)
    wanted = []
    for slope, (*_, mask) in zip(
        slopes(pruner.double(), root.double()), pruner.masks()
    ):
        best = slope.abs().argsort(descending=True)[: len(mask) // 2]
        wanted.append(sorted(best.tolist()))
    backward(pruner, root)
    pruner.step(100)  # at the schedule's start nothing is masked yet
    assert all(mask.all() for *_, mask in pruner.masks())
    pruner.set_sparsity(1.0)
    assert [mask.nonzero()[:, 0].tolist() for *_, mask in pruner.masks()] == wanted
    by_size = SelfPruner(root, KINDS, 0.5)
    by_size.set_sparsity(1.0)
    assert any(
        not torch.equal(a, b)
        for (*_, a), (*_, b) in zip(pruner.masks(), by_size.masks())
    )


def test_gradients_of_the_weights_are_those_of_other_criteria():
    gradients = []
    for criterion in ("taylor", "mean_abs"):
        root = small_layers().double()
        options = {"granularity": (*KINDS, "channels"), "criterion": criterion}
        pruner = pruner_of(root, **options).double()
        for *_, mask in pruner.masks():
            mask[::2] = 0.0
        backward(pruner, root)
        gradients.append([p.grad for p in root.parameters()])
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*gradients))


def test_a_group_that_is_off_has_a_slope():
    root = small_layers(layers=1)
    pruner = pruner_of(root, granularity=("heads", "units", "channels"))
    pruner.set_sparsity(1.0)
    backward(pruner, root)
    sums = [v for k, v in pruner.named_buffers() if "sum_" in k]
    assert len(sums) == 4 and all(s.all() for s in sums)


def test_a_resumed_training_scores_alike():
    root = small_layers()
    first = pruner_of(root)
    backward(first, root)
    first.step(10)
    backward(first, root)  # not taken to the mean yet
    resumed = pruner_of(root)
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    for pruner in (first, resumed):
        for factor in (2.0, 0.3):
            pruner.step(10)
            backward(pruner, root, factor)
        pruner.set_sparsity(1.0)
    for name, value in first.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("case", ["eval", "no_grad", "frozen"])
def test_only_training_is_watched(case):
    root = small_layers()
    pruner = pruner_of(root)
    if case == "frozen":
        pruner.frozen.fill_(1)
    pruner.train(case != "eval")
    with torch.set_grad_enabled(case != "no_grad"), pruner.applied():
        loss = scalar_of(root)
    if case != "no_grad":
        loss.backward()
    sums = [v for k, v in pruner.named_buffers() if "sum_" in k]
    assert len(sums) == 6 and not any(s.any() for s in sums)


def test_an_overflow_is_left_out():
    importance = MaskGradients({"a": 2}, memory=0.5)
    for value in (2.0, float("inf"), float("nan"), 1.0):
        mask = importance.watched("a", torch.ones(2))
        (mask * torch.tensor([value, 0.0])).sum().backward()
        importance.update()
    assert importance.scores("a").tolist() == [0.5 * 2.0 + 0.5 * 1.0, 0.0]
