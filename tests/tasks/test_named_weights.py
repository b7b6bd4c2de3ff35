"""Names of weights in options; ESPnet ignores those that match nothing."""

from argparse import Namespace

import pytest
import torch
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.named_weights import check_named_weights


class Model(torch.nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.encoder = torch.nn.Sequential(
            torch.nn.Linear(2, width), torch.nn.Linear(width, width)
        )
        self.ctc = torch.nn.Linear(width, 5)


def options(*init_param, freeze=(), mismatch=False):
    return Namespace(
        init_param=list(init_param),
        freeze_param=list(freeze),
        ignore_init_mismatch=mismatch,
    )


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "model.pth"
    torch.save(Model().state_dict(), path)
    return path


@pytest.mark.parametrize(
    "parts, mismatch",
    [
        ("", False),
        (":encoder:encoder", False),
        ("::", False),
        (":::ctc", False),
        (":encoder.0:encoder.0", False),
        ("", True),
    ],
)
def test_what_espnet_loads_is_accepted_and_the_same(saved, parts, mismatch):
    torch.manual_seed(2)
    checked = Model()
    torch.manual_seed(2)
    espnets = Model()
    before = {name: x.clone() for name, x in espnets.state_dict().items()}
    value = f"{saved}{parts}"
    check_named_weights(options(value, mismatch=mismatch), checked)
    for model in (checked, espnets):
        load_pretrained_model(value, model, mismatch)
    assert any((before[n] != x).any() for n, x in espnets.state_dict().items())
    for name, x in checked.state_dict().items():
        assert torch.equal(x, espnets.state_dict()[name])


@pytest.mark.parametrize(
    "parts, silent, says",
    [
        (":encodr:encoder", True, "no weights of encodr; did you mean encoder"),
        (":decoder:encoder", True, "no weights of decoder.*ctc, encoder"),
        ("::encoder:encoder,ctc", True, "all excluded"),
        (":encoder:encodr", False, "no part encodr; did you mean encoder"),
        (":ctc:encoder", False, "does not fit the model .*EXCLUDED"),
        ("x", False, "the file .*x does not exist"),
        (":a:b:c:d", False, "has 4 colons"),
    ],
)
def test_names_that_match_nothing_are_refused(saved, parts, silent, says):
    value = f"{saved}{parts}"
    model = Model()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    if silent:  # ESPnet leaves every weight as it is, without a message.
        load_pretrained_model(value, model, False)
        assert all(torch.equal(before[n], x) for n, x in model.state_dict().items())
    with pytest.raises(UserError, match=says):
        check_named_weights(options(value), model)


def test_other_shapes_are_named_unless_they_are_ignored(saved):
    with pytest.raises(UserError, match=r"init_param .*encoder\.0\.weight"):
        check_named_weights(options(str(saved)), Model(width=4))
    # The bias of the CTC layer has the same shape.
    check_named_weights(options(str(saved), mismatch=True), Model(width=4))
    with pytest.raises(UserError, match="none of 4 tensors fits"):
        value = f"{saved}:encoder:encoder"
        check_named_weights(options(value, mismatch=True), Model(width=4))


def test_a_whole_checkpoint_for_a_part_would_load_nothing(saved):
    """The part's own names lack the prefix, so that ESPnet would filter all out."""
    model, value = Model(), f"{saved}::encoder:ctc"
    before = {name: x.clone() for name, x in model.state_dict().items()}
    load_pretrained_model(value, model, True)
    assert all(torch.equal(before[n], x) for n, x in model.state_dict().items())
    with pytest.raises(UserError, match="none of 4 tensors"):
        check_named_weights(options(value, mismatch=True), model)


class Deep(torch.nn.Module):
    """Twelve layers, so that the name of layer 1 begins those of 10 and 11."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(12))


@pytest.mark.parametrize("mismatch", [False, True])
def test_excluding_a_layer_may_not_exclude_those_whose_numbers_it_begins(
    tmp_path, mismatch
):
    path = tmp_path / "deep.pth"
    torch.save(Deep().state_dict(), path)

    def left_random(excluded):
        model, before = Deep(), Deep()
        before.load_state_dict(model.state_dict())
        load_pretrained_model(f"{path}:::{excluded}", model, mismatch)
        pairs = enumerate(zip(model.encoder, before.encoder))
        return [n for n, (now, old) in pairs if torch.equal(now.weight, old.weight)]

    assert left_random("encoder.1") == [1, 10, 11]  # what ESPnet does
    checked = options(f"{path}:::encoder.1", mismatch=mismatch)
    with pytest.raises(UserError, match=r"encoder\.1 would also .* encoder\.10"):
        check_named_weights(checked, Deep())
    # What the message advises, and a deliberate beginning of many names.
    for right, layers in (
        ("encoder.1.", [1]),
        ("encoder.2", [2]),
        ("encoder.1.,encoder.11", [1, 11]),
    ):
        assert left_random(right) == layers
        checked = options(f"{path}:::{right}", mismatch=mismatch)
        check_named_weights(checked, Deep())


def test_frozen_names():
    for right in ("encoder", "encoder.1", "encoder.1.bias", "ctc"):
        check_named_weights(options(freeze=[right]), Model())
    for wrong in ("encodr", "encoder.", "enc", "encoder.2", "bias"):
        with pytest.raises(UserError, match=f"freeze_param {wrong}: .*ctc, encoder"):
            check_named_weights(options(freeze=["ctc", wrong]), Model())
