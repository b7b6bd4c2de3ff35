"""Masks against brute force; what gradients they let through; the schedule."""

import copy

import pytest
import torch
from dual_small import scalar_of, small_layers
from torch import nn

from espnet_plugin.dual_mode.convolution import ConvolutionModule
from espnet_plugin.dual_mode.masks import SelfPruner, keep_count, top_mask
from espnet_plugin.dual_mode.subsampling import Subsampling
from espnet_plugin.errors import UserError

STRUCTURED = ("heads", "units", "channels")


def group_scores(module, kind):
    """The mean of |w| of every group, weight by weight."""
    if kind == "heads":
        rows = [module.linear_q, module.linear_k, module.linear_v, module.linear_pos]
        columns, count = module.linear_out.weight, module.num_heads
        run = columns.shape[1] // count
    elif kind == "units":
        rows, columns, count, run = [module.w_1], module.w_2.weight, module.units, 1
    else:
        rows = [module.pointwise_conv1, module.depthwise_conv]
        columns, count, run = module.pointwise_conv2.weight, module.channels, 1
    scores = []
    for group in range(count):
        values = []
        for i in range(group * run, (group + 1) * run):
            for row in rows:
                values += row.weight[i].flatten().tolist()
                if len(row.weight) == 2 * count * run:  # the gate
                    values += row.weight[i + count * run].flatten().tolist()
            values += columns[:, i].flatten().tolist()
        scores.append(sum(abs(v) for v in values) / len(values))
    return torch.tensor(scores)


@pytest.mark.parametrize("kind", STRUCTURED)
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.99])
def test_structured_masks_are_the_best_groups_of_each_layer(kind, sparsity):
    pruner = SelfPruner(small_layers(), kind, sparsity)
    pruner.set_sparsity(1.0)
    for _, groups, mask in pruner.masks():
        scores = group_scores(groups.module, kind).tolist()
        keep = max(1, len(scores) - round(sparsity * len(scores)))
        best = sorted(range(len(scores)), key=lambda i: -scores[i])[:keep]
        assert mask.nonzero()[:, 0].tolist() == sorted(best)
    layers = 4 if kind == "units" else 2  # two feed-forward modules a layer
    assert len(pruner.counts()[kind]) == layers


def test_the_front_ends_channels_are_scored_by_what_they_write_and_feed():
    torch.manual_seed(0)
    front = Subsampling(9, 5, "conv2d")
    pruner = SelfPruner(nn.ModuleDict({"embed": front}), "front_end", 0.4, "l2")
    pruner.set_sparsity(1.0)
    (_, first, first_mask), (_, second, second_mask) = pruner.masks()
    one, two, out = front.conv[0].weight, front.conv[2].weight, front.out.weight
    for channel in range(5):
        bins = out[:, channel : channel + 1]  # one frequency bin is left of nine
        for groups, parts in (
            (first, (one[channel], two[:, channel])),
            (second, (two[channel], bins)),
        ):
            weights = torch.cat([part.flatten() for part in parts])
            score = weights.square().mean().sqrt()
            assert torch.allclose(groups.scores("l2")[channel], score)
    assert first_mask.sum() == second_mask.sum() == 3
    # 3 of 5 channels: 9 weights and a bias each, 3 x 3 x 9 and a bias, 3 columns.
    kept = 3 * 10 + 3 * (3 * 9 + 1) + 3 * 5
    assert pruner.masked_weights() == (5 * 10 + 5 * 46 + 25 - kept, 305)
    x = torch.randn(2, 15, 9)
    with torch.no_grad(), pruner.applied():
        masked = front(x)
    with torch.no_grad():
        hidden = front.conv[1](front.conv[0](x[:, None])) * first_mask[:, None, None]
        hidden = front.conv[3](front.conv[2](hidden)) * second_mask[:, None, None]
        expected = front.out(hidden.transpose(1, 2).flatten(2))
    assert torch.allclose(masked, expected, atol=1e-6)


@pytest.mark.parametrize("kind", STRUCTURED)
def test_the_global_scope_counts_over_all_layers(kind):
    root = small_layers()
    with torch.no_grad():
        for parameter in root[1].parameters():
            parameter.mul_(0.01)  # a layer that would lose everything
    pruner = SelfPruner(root, kind, 0.5, scope="global")
    pruner.set_sparsity(1.0)
    kept = [k for k, _ in pruner.counts()[kind]]
    total = sum(n for _, n in pruner.counts()[kind])
    assert sum(kept) == total - round(0.5 * total)
    assert min(kept) == 1 and kept[-1] == 1


@pytest.mark.parametrize("block", [(8, 1), (3, 2), (1, 1)])
def test_blocks_against_brute_force(block):
    torch.manual_seed(0)
    root = nn.Sequential(nn.Linear(5, 13), nn.Tanh(), nn.Conv1d(4, 6, 1))
    pruner = SelfPruner(root, "blocks", 0.4, criterion="l2", block=block)
    pruner.set_sparsity(1.0)
    rows, columns = block
    for _, groups, mask in pruner.masks():
        weight = groups.module.weight.detach().flatten(1)
        scores = []
        for r in range(0, weight.shape[0], rows):
            for c in range(0, weight.shape[1], columns):
                part = weight[r : r + rows, c : c + columns]
                scores.append((part.square().mean().sqrt().item(), r, c))
        keep = len(scores) - round(0.4 * len(scores))
        assert len(scores) == groups.count and int(mask.sum()) == keep
        expected = torch.zeros_like(weight)
        for _, r, c in sorted(scores, reverse=True)[:keep]:
            expected[r : r + rows, c : c + columns] = 1
        ((_, _, spread),) = groups.spread(mask)
        assert torch.equal(spread.flatten(1), expected)


def test_gradients_reach_masked_weights_through_the_dense_pass_only():
    root = small_layers()
    pruner = SelfPruner(root, STRUCTURED, 0.5)
    pruner.set_sparsity(1.0)
    with pruner.applied():
        loss = scalar_of(root)
    loss.backward()
    masked = []
    for _, groups, mask in pruner.masks():
        for member in groups.members:
            parameter = groups.module.get_parameter(member.parameter)
            off = torch.ones(parameter.shape[member.dim], dtype=torch.bool)
            off[groups.indices(mask, member)] = False
            shape = [-1 if d == member.dim else 1 for d in range(parameter.dim())]
            masked.append((parameter, off.view(shape).expand_as(parameter)))
    assert all(not p.grad[off].any() for p, off in masked)
    assert any(p.grad[~off].any() for p, off in masked)
    root.zero_grad()
    scalar_of(root).backward()
    # Matrices: the keys' bias cannot change a softmax, so its gradient is rounding.
    assert all(p.grad[off].ne(0).all() for p, off in masked if p.dim() > 1)


def test_applied_leaves_nothing_behind():
    root = small_layers()
    pruner = SelfPruner(root, STRUCTURED, 0.5)
    pruner.set_sparsity(1.0)
    before, names = scalar_of(root), [name for name, _ in root.named_parameters()]
    parameters = list(root.parameters())
    with pytest.raises(RuntimeError):
        with pruner.applied():
            assert not torch.allclose(scalar_of(root), before)
            raise RuntimeError
    assert torch.equal(scalar_of(root), before)
    assert [name for name, _ in root.named_parameters()] == names
    assert all(a is b for a, b in zip(root.parameters(), parameters))
    assert all(
        m.kept is None for m in root.modules() if isinstance(m, ConvolutionModule)
    )


def test_a_masked_group_returns_when_it_has_grown():
    root = small_layers(layers=1)
    pruner = SelfPruner(root, "units", 0.5)
    pruner.set_sparsity(1.0)
    _, groups, mask = next(pruner.masks())
    weakest = int(group_scores(groups.module, "units").argmin())
    assert not mask[weakest]
    with torch.no_grad():
        groups.module.w_1.weight[weakest] = 5.0
    pruner.set_sparsity(1.0)
    assert next(pruner.masks())[2][weakest]


def test_masks_follow_the_schedule_and_freeze():
    root = small_layers(layers=1)
    pruner = SelfPruner(root, "units", 0.8, begin=0.2, end=0.7, every=5)
    kept = []
    for _ in range(20):
        pruner.step(20)
        kept.append(pruner.counts()["units"][0][0])
    # Progress 0.25 and 0.5, then the end at 0.7: 0.8 * (1 - (1 - p)^3), p from 0.2.
    assert kept == [10] * 5 + [8] * 5 + [3] * 4 + [2] * 6
    assert bool(pruner.frozen)
    mask = next(pruner.masks())[2].clone()
    with torch.no_grad():
        root[0].feed_forward.w_1.weight.neg_().add_(3 * torch.randn(10, 8))
    pruner.step(20)
    assert torch.equal(next(pruner.masks())[2], mask)


def test_a_resumed_schedule_goes_on_where_it_was():
    root = small_layers(layers=1)
    first = SelfPruner(root, "units", 0.8, every=2)
    for _ in range(5):
        first.step(20)
    resumed = SelfPruner(root, "units", 0.8, every=2)
    resumed.load_state_dict(first.state_dict())
    for _ in range(15):
        assert resumed.counts() == first.counts()
        first.step(20)
        resumed.step(20)
    assert bool(resumed.frozen) and resumed.counts() == {"units": [(2, 10), (2, 10)]}
    with pytest.raises(UserError, match="updates 0"):
        first.step(0)


def test_a_training_that_ends_while_masks_move_is_refused():
    for end, updates in ((0.6, 2), (0.6, 3), (0.8, 4), (0.8, 5), (0.99, 50)):
        pruner = SelfPruner(small_layers(layers=1), "units", 0.5, end=end)
        try:
            pruner.check_updates(updates)
            accepted = True
        except UserError as error:
            accepted = False
            assert f"{end} of {updates} updates" in str(error)
        # Against the schedule itself, run to its end.
        for _ in range(updates):
            pruner.step(updates)
        assert accepted == bool(pruner.frozen), (end, updates)
    SelfPruner(small_layers(layers=1), "units", 0.5, fixed=True).check_updates(1)


def test_fixed_masks_never_move():
    root = small_layers(layers=1)
    pruner = SelfPruner(root, "units", 0.5, fixed=True)
    pruner.step(10)
    assert pruner.counts()["units"][0] == (5, 10) and bool(pruner.frozen)


def test_random_masks_are_nested_and_repeatable():
    first, second = (
        SelfPruner(small_layers(), "units", 0.6, "random") for _ in range(2)
    )
    first.set_sparsity(0.2)
    early = [mask.clone() for *_, mask in first.masks()]
    for pruner in (first, second):
        pruner.set_sparsity(1.0)
    for old, (*_, a), (*_, b) in zip(early, first.masks(), second.masks()):
        assert torch.equal(a, b) and (a <= old).all() and a.sum() < old.sum()


def test_random_masks_are_of_the_trainings_seed():
    root = small_layers()

    def drawn(training, seed=None):
        torch.manual_seed(training)
        pruner = SelfPruner(root, "units", 0.6, "random", seed=seed)
        pruner.set_sparsity(1.0)
        return torch.cat([mask for *_, mask in pruner.masks()])

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    # A seed of its own is the same in every training.
    assert torch.equal(drawn(1, seed=3), drawn(2, seed=3))
    assert not torch.equal(drawn(1, seed=3), drawn(1, seed=4))


def test_masks_travel_and_stay_binary_in_an_average():
    root = small_layers()
    pruner = SelfPruner(root, STRUCTURED, 0.5)
    pruner.set_sparsity(1.0)
    state = copy.deepcopy(pruner.state_dict())
    fresh = SelfPruner(small_layers(), STRUCTURED, 0.5)
    fresh.load_state_dict(state)
    for (*_, a), (*_, b) in zip(pruner.masks(), fresh.masks()):
        assert torch.equal(a, b)
    average = {
        k: (v + v + v) / 3 if v.is_floating_point() else v for k, v in state.items()
    }
    fresh.load_state_dict(average)
    fresh.check_binary()
    moving = {k: v * 0.5 if v.is_floating_point() else v for k, v in state.items()}
    fresh.load_state_dict(moving)
    with pytest.raises(UserError, match="pruning.end 0.6"):
        fresh.check_binary()


def test_counting():
    assert [keep_count(4, s) for s in (0.0, 0.3, 0.5, 0.9)] == [4, 3, 2, 1]
    assert keep_count(1, 0.9) == 1
    assert top_mask(torch.tensor([1.0, 2.0, 2.0, 0.0]), 2).tolist() == [0, 1, 1, 0]
    assert top_mask(torch.ones(4), 2).tolist() == [1, 1, 0, 0]
    root = small_layers(layers=1)
    pruner = SelfPruner(root, "heads", 0.5)
    assert pruner.sparsity == 0.0
    pruner.set_sparsity(1.0)
    assert pruner.sparsity == 0.5


@pytest.mark.parametrize(
    "options, words",
    [
        ({"sparsity": 1.0}, "sparsity 1.0.*below 1"),
        ({"sparsity": -0.1}, "sparsity -0.1"),
        ({"sparsity": {"heads": 0.5}}, "heads, units, channels"),
        ({"granularity": "rows"}, "'rows'.*blocks"),
        ({"granularity": ["blocks", "heads"]}, "blocks alone"),
        ({"granularity": []}, "at least one"),
        ({"granularity": "blocks", "block": [0, 1]}, r"\[0, 1\]"),
        ({"criterion": "hessian"}, "'hessian'.*taylor, random"),
        ({"criterion": "taylor", "fixed": True}, "'taylor' with fixed"),
        ({"scope": "model"}, "'model'.*global"),
        ({"every": 0}, "every 0"),
        ({"begin": 0.7}, "0.7"),
        ({"end": 1.0}, "end 1.0: must be below 1"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(UserError, match=words):
        SelfPruner(small_layers(layers=1), **options)
