"""Magnitude pruning against counts and masks made by hand."""

import io

import pytest
import torch
from torch import nn

from espnet_plugin.errors import UserError
from espnet_plugin.pruning.gates import GatePruner
from espnet_plugin.pruning.magnitude import MagnitudePruner, prune_once
from espnet_plugin.pruning.select import final_sparsity, prunable_modules


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.norm = nn.LayerNorm(5)
        self.conv_module = nn.Sequential(nn.Conv1d(5, 3, 3), nn.BatchNorm1d(3))

    def forward(self, x):
        return self.conv_module(self.norm(self.first(x)).transpose(1, 2))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.encoders = nn.ModuleList([Block(), Block()])
        self.ctc = nn.Linear(3, 2)

    def forward(self, x):
        return sum(self.ctc(b(x).transpose(1, 2)).sum() for b in self.encoder.encoders)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model()


def test_norms_biases_and_the_ctc_layer_are_never_pruned(model):
    names = [name for name, _ in prunable_modules(model)]
    assert names == [
        f"encoder.encoders.{i}.{part}"
        for i in (0, 1)
        for part in ("first", "conv_module.0")
    ]
    some = prunable_modules(model, without=["conv_module"])
    assert [name.split(".")[-1] for name, _ in some] == ["first", "first"]
    with pytest.raises(UserError, match="nothing to prune inside 'decoder.'"):
        prunable_modules(model, inside="decoder.")


def test_at_once_the_smallest_of_each_tensor_go(model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    prune_once(prunable_modules(model), 0.4)
    after = model.state_dict()
    assert after.keys() == before.keys()
    for name, old in before.items():
        if name.endswith(("first.weight", "conv_module.0.weight")):
            count = round(0.4 * old.numel())
            limit = old.abs().flatten().sort().values[count]
            expected = torch.where(old.abs() < limit, torch.zeros_like(old), old)
            assert torch.equal(after[name], expected)
        else:
            assert torch.equal(after[name], old)


def test_at_once_over_all_tensors(model):
    with torch.no_grad():
        model.encoder.encoders[0].first.weight.mul_(0.001)  # all 20 of them
    prune_once(prunable_modules(model), 20 / 130, per_tensor=False)
    assert not model.encoder.encoders[0].first.weight.any()
    assert model.encoder.encoders[1].first.weight.all()


def test_the_target_is_a_count_of_the_whole_model(model):
    modules = prunable_modules(model)
    total = sum(p.numel() for p in model.parameters())
    weights = 2 * (20 + 45)
    assert final_sparsity(model, modules, total) == 0.0
    assert final_sparsity(model, modules, total - 13) == pytest.approx(13 / weights)
    with pytest.raises(UserError, match=f"cannot be pruned to {total + 1} parameters"):
        final_sparsity(model, modules, total + 1)
    with pytest.raises(UserError, match=f"above {total - weights}, which"):
        final_sparsity(model, modules, total - weights)


def train(model, pruner, updates, begin=0):
    torch.manual_seed(begin)
    optim = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
    seen = []
    for update in range(begin, updates):
        pruner.step(update, updates)
        seen.append(pruner.sparsity)
        optim.zero_grad()
        model(torch.randn(3, 9, 4)).square().backward()
        optim.step()
    return seen


def test_a_model_takes_no_more_room_with_every_pruning(model):
    """torch would keep the mask of each of them."""

    def room():
        file = io.BytesIO()
        torch.save(model, file)
        return len(file.getvalue())

    pruner = MagnitudePruner(prunable_modules(model), 0.7, end=0.5, every=2)
    before = room()
    for update in range(20):
        sparsity = pruner.sparsity
        pruner.step(update, 20)
        if pruner.sparsity > sparsity and sparsity == 0.0:
            once = room()
    assert pruner.final and once > before
    assert room() - once < (once - before) / 4


def test_masks_follow_the_schedule_and_hold_while_training_goes_on(model):
    pruner = MagnitudePruner(prunable_modules(model), 0.7, end=0.5, every=2)
    seen = train(model, pruner, 20)
    assert seen == sorted(seen) and seen[0] == 0.0
    # Between prunings nothing changes; at half time the target is reached.
    assert seen[2] == seen[3] == pytest.approx(round(0.7 * (1 - 0.8**3) * 130) / 130)
    assert seen[10:] == [91 / 130] * 10 and pruner.final
    plain = MagnitudePruner.plain_state(model.state_dict())
    assert plain.keys() == Model().state_dict().keys()
    zeros = {
        name: value == 0
        for name, value in plain.items()
        if name.endswith(("first.weight", "conv_module.0.weight"))
    }
    assert sum(int(z.sum()) for z in zeros.values()) == 91
    pruner.step(20, 20)
    train(model, pruner, 30, begin=20)
    later = MagnitudePruner.plain_state(model.state_dict())
    assert all(torch.equal(later[name] == 0, mask) for name, mask in zeros.items())


def test_the_masked_model_and_the_plain_one_agree(model):
    pruner = MagnitudePruner(prunable_modules(model), 0.5, end=0.5, every=1)
    train(model, pruner, 6)
    plain = Model()
    plain.load_state_dict(MagnitudePruner.plain_state(model.state_dict()))
    x = torch.randn(2, 7, 4)
    assert torch.equal(plain.eval()(x), model.eval()(x))


def test_a_resumed_pruning_goes_on_from_its_masks(model):
    pruner = MagnitudePruner(prunable_modules(model), 0.7, end=0.5, every=1)
    train(model, pruner, 6)
    other = Model()
    resumed = MagnitudePruner(prunable_modules(other), 0.7, end=0.5, every=1)
    other.load_state_dict(model.state_dict())
    assert resumed.sparsity == pruner.sparsity > 0


@pytest.mark.parametrize("options", [{"every": 0}, {"begin": 0.9}, {"sparsity": 1.0}])
def test_bad_options(model, options):
    with pytest.raises(UserError):
        MagnitudePruner(prunable_modules(model), **{"sparsity": 0.5, **options})


def test_masks_must_be_final_before_the_training_ends(model):
    with pytest.raises(UserError, match="end 1.0: must be below 1"):
        MagnitudePruner(prunable_modules(model), 0.5, end=1.0)


class Attending(nn.Module):
    """A network with torch's attention, of which no mask reaches ``out_proj``."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Module()
        block = nn.ModuleDict(
            {"attention": nn.MultiheadAttention(4, 2), "last": nn.Linear(4, 4)}
        )
        self.encoder.encoders = nn.ModuleList([block])

    def forward(self, x):
        block = self.encoder.encoders[0]
        return block["last"](block["attention"](x, x, x, need_weights=False)[0])


@pytest.mark.parametrize("method", [MagnitudePruner, GatePruner])
def test_layers_that_are_never_called_are_refused(method):
    torch.manual_seed(0)
    model = Attending()
    with pytest.raises(
        UserError, match=r"encoders\.0\.attention\.out_proj cannot.*with"
    ):
        method(prunable_modules(model), 0.5)
    rest = prunable_modules(model, without=["out_proj"])
    assert [name for name, _ in rest] == ["encoder.encoders.0.last"]
    method(rest, 0.5)
    # What is loaded afterwards is what is computed: by hand, without the pruning.
    other = Attending()
    method(prunable_modules(other, without=["out_proj"]), 0.5)
    other.load_state_dict(model.state_dict())
    dense = Attending()
    dense.load_state_dict(method.plain_state(model.state_dict()))
    x = torch.randn(3, 1, 4)
    assert torch.allclose(other(x), dense(x), atol=1e-6)


def test_at_once_layers_that_are_never_called_are_pruned_as_well():
    torch.manual_seed(0)
    model = Attending()
    x = torch.randn(3, 1, 4)
    prune_once(prunable_modules(model), 0.5)
    projection = model.encoder.encoders[0]["attention"].out_proj
    assert int((projection.weight == 0).sum()) == 8
    fresh = Attending()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(x), model(x))
