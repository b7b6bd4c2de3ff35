"""Which checkpoint of a supernet the streaming recogniser is loaded from."""

import pytest
import torch
from tiny_asr import build_tiny_asr

from espnet_plugin import host
from espnet_plugin.dual_mode.load import load_recogniser
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.names import DUAL_MODE

CONF = dict(
    cnn_module_kernel=7,
    chunk_frames=4,
    left_context_frames=6,
    pruning=dict(sparsity=0.5),
)
SPEECH = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def supernet(tmp_path):
    """A folder whose stock average mixes masks, and our average beside it."""
    host.register()
    tiny = build_tiny_asr(tmp_path, encoder=DUAL_MODE, encoder_conf=CONF)
    state = torch.load(tiny.checkpoint, weights_only=True)
    masks = [name for name in state if "pruner.mask_" in name]
    for name in masks:
        half = torch.arange(len(state[name])) % 2
        state[name] = half.to(state[name])
    torch.save(state, Experiment(tiny.dir).final_masks_file)
    for name in masks:
        state[name] = 0.5 * (state[name] + 1.0)
    tiny.checkpoint.unlink()
    torch.save(state, tiny.dir / "valid.cer_final.ave.pth")
    return tiny


def test_ours_is_taken_before_espnets_average(supernet):
    alone = load_recogniser(supernet.dir).accept(SPEECH, last=True)
    (supernet.dir / "valid.cer_final.ave.pth").unlink()
    assert load_recogniser(supernet.dir).accept(SPEECH, last=True) == alone
    assert alone.token_ids


def test_masks_that_are_fractions_are_refused(supernet):
    Experiment(supernet.dir).final_masks_file.unlink()
    with pytest.raises(UserError, match="cer_final.ave.pth.*other than 0 and 1"):
        load_recogniser(supernet.dir)
