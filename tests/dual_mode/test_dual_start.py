"""Where a dual-mode training starts, and the mean of what it leaves."""

import pytest
import torch
from dual_small_model import build

from espnet_plugin.checkpoints.average import average_states
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.dual import average_epochs
from espnet_plugin.tasks.dual_mode import start


@pytest.fixture
def trained(tmp_path):
    """A checkpoint with weights and masks of its own."""
    model = build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model.encoder.pruner.set_sparsity(1.0)
    model.encoder.pruner.frozen.fill_(1)
    torch.save(model.state_dict(), tmp_path / "trained.pth")
    return tmp_path / "trained.pth", model.state_dict()


@pytest.mark.parametrize("masks", ["restart", "keep"])
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_taken(trained, masks, whole):
    path, theirs = trained
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start(model, str(path), masks, whole)
    for name, value in model.state_dict().items():
        if name.startswith("encoder.pruner."):
            taken = masks == "keep"
        else:
            taken = name.startswith("encoder.") or whole
        expected = theirs if taken else before
        assert torch.equal(value, expected[name]), name
    assert bool(model.encoder.pruner.frozen) == (masks == "keep")


def test_a_dense_start_can_be_pruned(trained, tmp_path):
    dense = build(pruning=False)
    torch.save(dense.state_dict(), tmp_path / "dense.pth")
    start(build(), str(tmp_path / "dense.pth"), "restart", True)
    with pytest.raises(UserError, match="missing .encoder.pruner|missing .pruner"):
        start(build(), str(tmp_path / "dense.pth"), "keep", True)


def test_another_encoder_is_refused(trained, tmp_path):
    path, state = trained
    lacking = {k: v for k, v in state.items() if "encoders.1" not in k}
    torch.save(lacking, tmp_path / "lacking.pth")
    with pytest.raises(UserError, match="missing .encoders.1"):
        start(build(), str(tmp_path / "lacking.pth"))
    for name in ("encoder.after_norm.weight", "ctc.ctc_lo.bias"):
        torch.save({**state, name: torch.ones(9)}, tmp_path / "wider.pth")
        with pytest.raises(UserError, match="1 with a different shape"):
            start(build(), str(tmp_path / "wider.pth"), whole=True)


def write_errors(folder, rates):
    """What ESPnet's reporter leaves of the validation of each epoch."""
    stats = {epoch: {"valid": {"cer_final": rate}} for epoch, rate in rates.items()}
    reporter = {"stats": stats, "epoch": max(rates)}
    torch.save({"reporter": reporter}, folder / "checkpoint.pth")


def test_only_epochs_with_final_masks_are_averaged(tmp_path):
    (tmp_path / "config.yaml").write_text("keep_nbest_models: 3")
    for epoch in (9, 10, 11):
        model = build()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(epoch)
        model.encoder.pruner.set_sparsity(1.0 if epoch > 9 else 0.3)
        model.encoder.pruner.frozen.fill_(int(epoch > 9))
        torch.save(model.state_dict(), tmp_path / f"{epoch}epoch.pth")
    write_errors(tmp_path, {9: 10.2, 10: 0.3, 11: 0.2})
    average = average_epochs(tmp_path)
    assert bool((average["ctc.ctc_lo.weight"] == 10.5).all())
    model = build()
    model.load_state_dict(average)
    model.encoder.pruner.check_binary()
    write_errors(tmp_path, {9: 10.2})
    with pytest.raises(UserError, match="masks still changed"):
        average_epochs(tmp_path)


def test_whole_numbers_are_the_last_ones():
    states = [
        {"weight": torch.tensor([1.0, 2.0]), "count": torch.tensor(3)},
        {"weight": torch.tensor([3.0, 6.0]), "count": torch.tensor(5)},
    ]
    average = average_states(states)
    assert average["weight"].tolist() == [2.0, 4.0]
    assert average["count"] == 5 and average["count"].dtype == torch.long
