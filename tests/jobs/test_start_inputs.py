"""How the log names what differs in the start of a dual-mode training."""

import pytest

from espnet_plugin.data.content import Contents
from espnet_plugin.jobs.inputs import difference, job_inputs
from espnet_plugin.jobs.requests import DualModeRequest


@pytest.mark.parametrize(
    "old, new, said",
    [
        (
            (None, "restart", False, "first"),
            (None, "restart", False, "last"),
            "reference_layers (was first, is last)",
        ),
        # Records of earlier versions have three values.
        (
            (None, "restart", False),
            (None, "restart", False, "first"),
            "reference_layers (was not given, is first)",
        ),
        (
            ("0a" * 32, "restart", False),
            ("0b" * 32, "keep", False),
            f"start_from (was {'0a' * 28}0..., is {'0b' * 28}0...), and 1 more",
        ),
        ((None, "keep", True), (None, "keep", False), "start_whole (was True, is Fal"),
    ],
)
def test_the_start_of_a_dual_mode_training_is_named(old, new, said):
    contents = Contents()
    known = {"inputs": job_inputs(DualModeRequest({}, [], old), contents)}
    found, _ = difference(known, DualModeRequest({}, [], new), contents)
    assert str(found).startswith(said)
    assert difference(known, DualModeRequest({}, [], old), contents)[0] is None
