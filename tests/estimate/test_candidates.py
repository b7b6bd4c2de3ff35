"""Shapes for a budget, against models that are really built and measured."""

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.estimate.candidates import Candidate, fitting, list_shapes, spread
from espnet_plugin.estimate.count import build_model, student_config
from espnet_plugin.measure.speed import count_macs
from espnet_plugin.shape import Shape

VOCABULARY = 29


@pytest.fixture(scope="module")
def reference():
    from pathlib import Path

    conf = Path(__file__).parents[2] / "conf/train_reference.yaml"
    config = yaml.safe_load(conf.read_text())
    config["encoder_conf"].update(num_blocks=5, output_size=32, linear_units=96)
    return config


@pytest.fixture(scope="module")
def shapes(reference):
    return list_shapes(reference, {}, VOCABULARY)


@pytest.mark.parametrize("text", ["4x24", "2x8", "5"])
def test_figures_are_those_of_a_real_model(reference, shapes, text):
    (found,) = [one for one in shapes if str(one.shape) == text]
    shape = found.shape
    encrl = {"student_output_size": shape.width} if shape.width else {}
    config = student_config(reference, encrl, shape.layers)
    model = build_model(config, VOCABULARY).eval()
    assert len(model.encoder.encoders) == shape.layers
    assert model.encoder.output_size() == found.width
    assert found.params == sum(p.numel() for p in model.parameters())
    assert found.macs_per_second == pytest.approx(count_macs(model, 16000), rel=1e-6)


def test_depths_and_widths(shapes):
    # Up to the reference's own; multiples of 8, so of its four heads as well.
    assert {(one.shape.layers, one.width) for one in shapes} == {
        (layers, width) for layers in (2, 3, 4, 5) for width in (8, 16, 24, 32)
    }
    assert all((one.shape.width is None) == (one.width == 32) for one in shapes)
    assert str(shapes[0].shape) == "5" and str(shapes[-1].shape) == "2x8"


def test_heads_decide_the_widths(reference):
    conf = {**reference["encoder_conf"], "attention_heads": 6, "output_size": 48}
    shapes = list_shapes({**reference, "encoder_conf": conf}, {}, VOCABULARY)
    assert {one.width for one in shapes} == {24, 48}


def test_a_budget_holds_what_uses_most_of_it(shapes):
    for kind, unit in (("params", ""), ("macs_per_second", "MAC/s")):
        amount = sorted(getattr(one, kind) for one in shapes)[len(shapes) // 2]
        budget = Budget.parse(f"{int(amount) + 1}{unit}")
        found = fitting(shapes, budget)
        assert found == tuple(
            one
            for one in shapes
            if 0.9 * budget.amount <= getattr(one, kind) <= budget.amount
        )
    with pytest.raises(
        UserError, match="--budget 1k: no shape .*2x8 layers .* M param"
    ):
        fitting(shapes, Budget.parse("1k"))
    with pytest.raises(UserError, match="9GMAC/s: no shape .*5 layers .* MMAC/s"):
        fitting(shapes, Budget.parse("9GMAC/s"))


def test_trials_are_spread_over_depths():
    def of(*shapes):
        return [Candidate(Shape(n, w), w, n * w, n * w) for n, w in shapes]

    all_of = of((9, 8), (8, 8), (6, 8), (5, 16), (5, 8), (4, 16), (2, 24))

    def depths(number):
        return [(c.shape.layers, c.width) for c in spread(all_of, number)]

    assert depths(1) == [(5, 16)]
    assert depths(2) == [(9, 8), (2, 24)]
    assert depths(3)[0] == (9, 8) and depths(3)[-1] == (2, 24) and len(depths(3)) == 3
    # Of each depth the widest, and never more than there are.
    assert depths(99) == [(9, 8), (8, 8), (6, 8), (5, 16), (4, 16), (2, 24)]


@pytest.mark.parametrize(
    "text, amount, computing",
    [
        ("1.5M", 1.5e6, False),
        ("900k", 9e5, False),
        ("1200000", 1.2e6, False),
        ("70MMAC/s", 7e7, True),
        ("1.2GMAC/s", 1.2e9, True),
    ],
)
def test_budgets_are_read(text, amount, computing):
    assert Budget.parse(text) == Budget(text, pytest.approx(amount), computing)


@pytest.mark.parametrize(
    "text",
    ["", "0", "M", "1.5 M", "-1M", "70MMAC", "1.5m", "1T", ".5", "9" * 400, "9999999G"],
)
def test_other_budgets_are_refused(text):
    with pytest.raises(UserError, match="e.g. 1.5M or 900k, or .* 70MMAC/s"):
        Budget.parse(text)
