"""The quantiser against loops over frames and codes; what is frozen stays frozen."""

import math

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.self_supervised.random_projection import RandomProjectionQuantiser

SMALL = dict(codebooks=2, entries=7, code_size=3)


def vectors(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def unit(values):
    norm = math.sqrt(sum(x * x for x in values))
    return [x / norm for x in values]


def slow_nearest(vector, projection, codes):
    """Return the number of the nearest code, by the distance itself."""
    size = len(projection[0])
    projected = unit(
        [sum(v * row[k] for v, row in zip(vector, projection)) for k in range(size)]
    )
    distances = [
        math.sqrt(sum((p - c) ** 2 for p, c in zip(projected, code))) for code in codes
    ]
    return min(range(len(codes)), key=distances.__getitem__)


@pytest.mark.parametrize("seed", range(3))
def test_against_loops_over_frames_and_codes(seed):
    module = RandomProjectionQuantiser(5, **SMALL, seed=seed).double()
    x = vectors(2, 9, 5, seed=seed)
    found = module(x)
    assert found.shape == (2, 9, 2) and found.dtype == torch.long
    for i in range(2):
        for t in range(9):
            for book in range(2):
                expected = slow_nearest(
                    x[i, t].tolist(),
                    module.projections[book].tolist(),
                    module.codes[book].tolist(),
                )
                assert int(found[i, t, book]) == expected


def test_a_code_that_is_a_projected_vector_is_found():
    """Whatever the length of either is."""
    module = RandomProjectionQuantiser(6, entries=50, code_size=4, seed=3).double()
    x = vectors(50, 6)
    projected = x @ module.projections[0]
    order = torch.randperm(50, generator=torch.manual_seed(0))
    module.codes[0, order] = projected / projected.norm(dim=1, keepdim=True)
    assert torch.equal(module(x)[:, 0], order)
    assert torch.equal(module(7.5 * x)[:, 0], order)


def test_many_vectors_are_quantised_as_few():
    module = RandomProjectionQuantiser(5, **SMALL)
    x = vectors(9001, 5).float()
    parts = torch.cat([module(part) for part in x.split(100)])
    assert torch.equal(module(x), parts)


def test_the_same_seed_gives_the_same_codebook_whatever_torchs_state():
    torch.manual_seed(1)
    one = RandomProjectionQuantiser(5, **SMALL, seed=4)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    two = RandomProjectionQuantiser(5, **SMALL, seed=4)
    other = RandomProjectionQuantiser(5, **SMALL, seed=5)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn from it
    for name, value in one.state_dict().items():
        assert torch.equal(two.state_dict()[name], value), name
        assert not torch.equal(other.state_dict()[name], value), name


def test_the_drawn_values_have_the_distribution_of_the_paper():
    module = RandomProjectionQuantiser(60, codebooks=3, entries=4000, code_size=20)
    assert torch.allclose(module.codes.norm(dim=-1), torch.ones(3, 4000), atol=1e-6)
    # Directions of normal vectors: no axis is preferred.
    assert module.codes.mean((0, 1)).abs().max() < 4 / math.sqrt(20 * 12000)
    torch.manual_seed(0)
    xavier = torch.nn.init.xavier_uniform_(torch.empty(60, 20))
    ours = module.projections
    assert ours.abs().max() <= math.sqrt(6 / 80)
    assert ours.std().item() == pytest.approx(xavier.std().item(), rel=0.05)
    assert abs(ours.mean().item()) < 4 * ours.std().item() / math.sqrt(ours.numel())
    assert not torch.equal(module.codes[0], module.codes[1])


def test_nothing_of_it_can_be_trained_and_all_of_it_is_saved():
    module = RandomProjectionQuantiser(5, **SMALL)
    assert list(module.parameters()) == []
    assert set(module.state_dict()) == {"projections", "codes"}
    other = RandomProjectionQuantiser(5, **SMALL, seed=9)
    other.load_state_dict(module.state_dict())
    x = vectors(40, 5).float()
    assert torch.equal(other(x), module(x))


def test_autocast_changes_no_code():
    module = RandomProjectionQuantiser(40, entries=500, code_size=16)
    x = vectors(300, 40).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = module(x)
    assert torch.equal(inside, module(x))


@pytest.mark.parametrize(
    "sizes, named",
    [
        (dict(input_size=0), "input_size 0"),
        (dict(codebooks=0), "codebooks 0"),
        (dict(entries=0), "entries 0"),
        (dict(entries=1), "entries 1"),
        (dict(entries=-3), "entries -3"),
        (dict(code_size=0), "code_size 0"),
        (dict(code_size=-1), "code_size -1"),
        (dict(seed=-1), "seed -1"),
    ],
)
def test_impossible_sizes_are_refused(sizes, named):
    with pytest.raises(UserError, match=named):
        RandomProjectionQuantiser(**{"input_size": 5, **SMALL, **sizes})
