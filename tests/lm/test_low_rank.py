"""The best products of two matrices, against what is known of them."""

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.lm.low_rank import factor, root


@pytest.fixture
def weight():
    torch.manual_seed(1)
    return torch.randn(7, 5, dtype=torch.float64)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_error_is_the_tail_of_the_singular_values(weight, rank):
    expand, reduce = factor(weight, rank)
    tail = torch.linalg.svdvals(weight)[rank:].square().sum()
    error = (weight - expand @ reduce).square().sum()
    torch.testing.assert_close(error, tail, atol=1e-12, rtol=1e-9)
    assert expand.shape == (7, rank) and reduce.shape == (rank, 5)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_with_inputs_it_is_the_best_for_them(weight, rank):
    """Against the textbook way: truncate W C^(1/2), and take the root off again."""
    inputs = torch.randn(50, 5, dtype=torch.float64) @ torch.randn(5, 5).double()
    moment = inputs.T @ inputs / 50
    expand, reduce = factor(weight, rank, moment)
    error = (inputs @ (weight - expand @ reduce).T).square().sum() / 50
    c = root(moment)
    left, values, right = torch.linalg.svd(weight @ c)
    textbook = (left[:, :rank] * values[:rank]) @ right[:rank] @ torch.linalg.inv(c)
    torch.testing.assert_close(expand @ reduce, textbook, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(error, values[rank:].square().sum())
    plain = (inputs @ (weight - torch.mm(*factor(weight, rank))).T).square().sum() / 50
    assert error < plain


def test_inputs_that_never_vary_in_some_direction(weight):
    """Three of five dimensions: rank 3 is exact on all that can come."""
    inputs = torch.randn(40, 3, dtype=torch.float64) @ torch.randn(3, 5).double()
    expand, reduce = factor(weight, 3, inputs.T @ inputs / 40)
    torch.testing.assert_close(inputs @ (expand @ reduce).T, inputs @ weight.T)


def test_given_importance_keeps_those_components(weight):
    importance = torch.tensor([0.0, 5.0, 1.0, 4.0, 2.0])
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    wanted = sum(values[i] * torch.outer(left[:, i], right[i]) for i in (1, 3))
    torch.testing.assert_close(
        torch.mm(*factor(weight, 2, importance=importance)), wanted
    )


def test_the_factors_are_balanced(weight):
    expand, reduce = factor(weight, 3)
    torch.testing.assert_close(expand.norm(dim=0), reduce.norm(dim=1))


def test_the_root_of_a_moment():
    torch.manual_seed(0)
    a = torch.randn(4, 2, dtype=torch.float64)
    c = root(a @ a.T)
    torch.testing.assert_close(c @ c, a @ a.T)


@pytest.mark.parametrize("rank", [0, 6, -1])
def test_ranks_out_of_range(weight, rank):
    with pytest.raises(UserError, match=f"rank {rank} of a matrix of 7 x 5.*1 to 5"):
        factor(weight, rank)
