"""Dual-mode training from a teacher's stored outputs is training with the teacher."""

import numpy as np
import pytest
import torch
from tiny_taught import TEACHING, train, trained, write_data, write_row
from torch.utils.flop_counter import FlopCounterMode

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.distill import store
from espnet_plugin.distill.teacher import encoder_outputs
from espnet_plugin.files import read_json

# Single precision, so that nothing but the detour through the files is compared.
SINGLE = np.dtype("<f4")


@pytest.fixture(scope="module")
def single():
    patch = pytest.MonkeyPatch()
    patch.setattr(store, "POSTERIOR_DTYPE", SINGLE)
    patch.setattr(store, "ENCODING_DTYPE", SINGLE)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny_asr_model):
    return write_data(tmp_path_factory.mktemp("cached_dual"), tiny_asr_model)


@pytest.fixture(scope="module")
def reference(tiny_asr_model):
    return ["--reference", str(tiny_asr_model.dir)]


@pytest.fixture(scope="module")
def runs(data, reference, single):
    """The same training with the teacher itself, and with its outputs."""
    cache = ["--teacher_cache", str(data.root / "cache")]
    for name, more in ("live", []), ("cached", cache):
        assert train(data, write_row(data, TEACHING, name), *reference, *more) == 0
    return {name: data.root / f"exp/dual_{name}_s1" for name in ("live", "cached")}


def test_all_losses_and_weights_are_those_with_the_teacher(runs):
    (live, ours), (cached, theirs) = (trained(runs[n]) for n in ("live", "cached"))
    assert live.keys() == cached.keys() == {1, 2, 3}
    compared = set()
    for epoch, parts in live.items():
        for part in ("train", "valid"):
            for name, value in parts[part].items():
                if name.startswith(("loss", "cer", "delay")):
                    expected = pytest.approx(value, rel=1e-4, abs=1e-6)
                    assert cached[epoch][part][name] == expected, (epoch, part, name)
                    compared.add(name)
    for mode in "full", "streaming":
        for name in TEACHING["objectives"]:
            assert f"loss_{name}_taught_{mode}" in compared
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Adam turns rounding of a near-zero gradient into whole steps.
        if value.is_floating_point():
            assert (value - theirs[name]).abs().median() < 1e-5, name


def test_the_teacher_costs_one_pass_over_both_sets(runs, tiny_asr_model):
    live, cached = (read_json(folder / "cost.json") for folder in runs.values())
    assert cached["flops"] == live["flops"] and cached["epochs"] == 3
    # By hand: torch's counter on the batches of one epoch, sorted pairs, of both sets.
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    table = tiny_asr_model.data_dir / "utt2num_samples"
    lengths = sorted(int(line.split()[1]) for line in table.read_text().splitlines())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for longest in lengths[1::2]:
            speech = torch.randn(2, longest)
            encoder_outputs(model.eval(), speech, torch.tensor([longest, longest]))
    by_hand = 2 * counter.get_total_flops()
    once = cached["once"]["teacher_cache"]
    # The rounding of lengths by the sub-sampling is left out of the log's arithmetic.
    assert cached["teacher_flops"] == once["teacher_flops"]
    assert once["teacher_flops"] == pytest.approx(by_hand, rel=0.01)
    # Live, the development data costs nothing: validation is not counted.
    assert live["teacher_flops"] == pytest.approx(3 * by_hand / 2, rel=0.01)
    assert all(entry["teacher_flops"] == 0 for entry in cached["per_epoch"])
