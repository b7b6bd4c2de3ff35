"""Sizes of smaller language models, and the rows of the recipe."""

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.jobs.lm_train import equal_epochs
from espnet_plugin.lm.record import LMCost
from espnet_plugin.lm.rows import Compression, Control, Further, check_rows, read_row
from espnet_plugin.lm.shape import LMShape, check_lm_conf

DENSE = LMShape(
    vocab=12, embed=6, width=8, heads=4, head_width=2, units=32, layers=2, ranks={}
)


def counted(shape):
    """Count the weights of the blocks one matrix after the other."""
    inner = shape.heads * shape.head_width
    sizes = {
        **{name: (inner, shape.width) for name in ("linear_q", "linear_k", "linear_v")},
        "linear_out": (shape.width, inner),
        "w_1": (shape.units, shape.width),
        "w_2": (shape.width, shape.units),
    }
    total = 0
    for name, (rows, columns) in sizes.items():
        if name in shape.ranks:
            total += rows * shape.ranks[name] + shape.ranks[name] * columns
        else:
            total += rows * columns
    return shape.layers * total


@pytest.mark.parametrize("keep", [0.75, 0.5, 0.3, 0.25])
@pytest.mark.parametrize("parts", ["units", "heads", "both", "factors"])
def test_never_more_weights_than_asked_for_and_nearly_as_many(keep, parts):
    if parts == "heads":
        keep = 0.7 + keep / 4  # the units alone have two thirds
    if parts == "units":
        keep = 0.35 + keep / 2  # attention has one third
    small = DENSE.factored(keep) if parts == "factors" else DENSE.cut(keep, parts)
    assert counted(small) == small.block_weights <= keep * counted(DENSE)
    # One more head, unit or rank would be too many.
    a_step = 4 * 8 * 2 if parts == "heads" else 6 * (8 + 32)
    assert small.block_weights > keep * counted(DENSE) - DENSE.layers * a_step


def test_what_cannot_be_cut_is_said_with_what_can():
    with pytest.raises(
        UserError, match=r"keep 0.25 with parts units.*33.3%.*0\.3"
    ) as e:
        DENSE.cut(0.25, "units")
    least = float(str(e.value).split("at least ")[1].split(",")[0])
    assert DENSE.cut(least + 0.001, "units").units >= 1
    with pytest.raises(UserError, match="keep 0.5 with parts heads"):
        DENSE.cut(0.5, "heads")


@pytest.mark.parametrize("keep", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_shares_out_of_range(keep):
    for cut in (DENSE.cut, DENSE.factored):
        with pytest.raises(UserError, match="above 0 and below 1"):
            cut(keep)


def test_a_rank_of_zero_is_refused():
    with pytest.raises(UserError, match="the rank of linear_q.* would be 0"):
        DENSE.factored(0.1)


def test_which_sizes_are_espnets_own():
    assert DENSE.cut(0.5, "units").is_plain
    assert not DENSE.cut(0.5, "both").is_plain
    assert not DENSE.factored(0.5).is_plain
    name, conf = DENSE.cut(0.5, "units").to_conf({"dropout_rate": 0.2})
    assert name == "transformer" and conf["dropout_rate"] == 0.2
    assert "head_width" not in conf and conf["unit"] < 32
    name, conf = DENSE.cut(0.5).to_conf({"dropout_rate": 0.2})
    assert (name, conf["head_width"]) == ("compact_transformer", 2)


def test_sizes_come_back_from_the_configuration():
    for shape in (DENSE, DENSE.cut(0.5), DENSE.cut(0.5, "units"), DENSE.factored(0.5)):
        _, conf = shape.to_conf({})
        assert LMShape.from_conf(conf, 12) == shape


def test_the_control_takes_at_least_as_many_operations_and_no_epoch_more():
    small = DENSE.cut(0.5)
    total = LMCost(
        operations=10 * DENSE.operations * 1000, tokens=10_000, cpu_seconds=1
    )
    epochs = equal_epochs(total, small, 1000)
    assert epochs * small.operations * 1000 >= total.operations
    assert (epochs - 1) * small.operations * 1000 < total.operations


def row(tmp_path, **given):
    path = tmp_path / "row.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def test_rows(tmp_path):
    one = read_row(row(tmp_path, method="structured", keep=0.5, epochs=4))
    assert one == Compression("structured", [0.5], 4) and one.schedule == "one_shot"
    path = row(tmp_path, method="low_rank", keep=[0.7, 0.5, 0.25], epochs=8)
    steps = read_row(path)
    assert steps.schedule == "incremental"
    assert [steps.step_epochs(n) for n in range(3)] == [2, 2, 4]
    path = row(tmp_path, method="scratch", keep=0.5, like="a")
    assert read_row(path) == Control("a", 0.5)
    assert read_row(row(tmp_path, method="further", epochs=2)) == Further(2)


@pytest.mark.parametrize(
    "given, message",
    [
        (dict(keep=1.0), "above 0 and below 1"),
        (dict(keep=[0.5, 0.0]), "above 0 and below 1"),
        (dict(keep=[]), "one or several shares"),
        (dict(keep=[0.25, 0.5]), "keep less than the one before"),
        (dict(keep=[0.5, 0.25], epochs=1), "at least one for each of 2 steps"),
        (dict(criterion="activations"), "structured supports magnitude, first_order"),
        (dict(method="sparse"), "one of structured, low_rank"),
        (dict(sparsity=0.5), "no such option"),
        (dict(keep="half"), "a list"),
    ],
)
def test_wrong_rows(tmp_path, given, message):
    given = {"method": "structured", "keep": 0.5, "epochs": 4, **given}
    with pytest.raises(UserError, match=message) as error:
        read_row(row(tmp_path, **given))
    assert "row.yaml" in str(error.value)


ROWS = {
    "cut": Compression("structured", [0.7, 0.4], 2),
    "more": Further(2),
}


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (Control("gone", 0.5), "like gone, keep 0.5: there is no such model"),
        (
            Control("cut", 0.5),
            "like cut, keep 0.5: that row makes models with keep 0.7",
        ),
        (Control("more", 0.5), "that row is not a compression"),
        (Control("control", 0.5), "that row is not a compression"),
    ],
)
def test_a_control_of_nothing_is_refused_before_the_training(control, message):
    with pytest.raises(UserError, match=f"--rows control: .*{message}"):
        check_rows({**ROWS, "control": control}, lambda row, keep: False)


def test_a_control_may_be_like_what_an_earlier_call_made():
    rows = {"control": Control("old", 0.25)}
    check_rows(rows, lambda row, keep: (row, keep) == ("old", 0.25))
    check_rows({**ROWS, "control": Control("cut", 0.4)}, lambda row, keep: False)


def test_sizes_are_checked_before_the_training():
    good = {"good": Compression("structured", [0.7, 0.4], 2)}
    check_rows(good, lambda row, keep: False, DENSE)
    for method, keep, message in (
        ("structured", [0.7, 0.0001], "--rows bad: keep 0.0001 with parts both"),
        ("low_rank", [0.0001], "--rows bad: keep 0.0001: the rank"),
        ("low_rank", [0.50001, 0.5], "keep 0.5 leaves the same sizes as keep 0.50001"),
    ):
        rows = {**good, "bad": Compression(method, keep, 2)}
        with pytest.raises(UserError, match=message) as error:
            check_rows(rows, lambda row, keep: False, DENSE)
        assert "or parts: both" not in str(error.value)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (3, "lm_conf 3: must be a mapping"),
        ({"head": 3, "att_unit": 8}, "lm_conf.head 3: att_unit 8"),
        ({"layer": 0}, "lm_conf.layer 0"),
        ({"unit": "16"}, "lm_conf.unit '16'"),
        ({"embed_unit": True}, "lm_conf.embed_unit True"),
    ],
)
def test_wrong_sizes_in_a_configuration(conf, message):
    with pytest.raises(UserError, match=message):
        check_lm_conf(conf, "lm_conf")
    check_lm_conf({"head": 2, "att_unit": 8}, "lm_conf")
