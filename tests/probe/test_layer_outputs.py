"""Outputs of all layers in one pass, against encoders cut off behind each layer."""

import copy
from contextlib import ExitStack

import pytest
import torch
from tiny_asr import build_tiny_asr, load_speech

from espnet_plugin import host
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.decode.posteriors import features_alone
from espnet_plugin.errors import UserError
from espnet_plugin.names import DUAL_MODE
from espnet_plugin.probe.fit import fit_probes
from espnet_plugin.probe.layers import freeze, layer_outputs
from espnet_plugin.probe.options import ProbeOptions

NAMES = ("spk0-utt0", "spk0-utt2", "spk1-utt1")


@pytest.fixture(scope="module")
def speech(tiny_asr_model):
    short = torch.zeros(300)  # too short for a frame
    return [*(load_speech(tiny_asr_model, name) for name in NAMES), short]


def dual(root):
    """A dual-mode model with half of its weights masked in streaming mode."""
    host.register()
    conf = dict(macaron_style=True, cnn_module_kernel=7, chunk_frames=[4, 3])
    conf.update(left_context_frames=5, look_ahead_frames=2, pruning=dict(sparsity=0.5))
    tiny = build_tiny_asr(root, encoder=DUAL_MODE, encoder_conf=conf)
    model, _ = load_asr_model(tiny.config, tiny.checkpoint)
    model.encoder.pruner.set_sparsity(1.0)
    return freeze(model, "dual")


@pytest.fixture(scope="module")
def models(tiny_asr_model, tmp_path_factory):
    stock, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    two_modes = dual(tmp_path_factory.mktemp("dual"))
    return {
        "stock": (freeze(stock, "stock"), "full"),
        "full": (two_modes, "full"),
        "streaming": (two_modes, "streaming"),
    }


def one_by_one(model, mode, speech):
    """Run the first layer alone, the first two..., utterance by utterance."""
    encoder, found = model.encoder, []
    layers, norm = encoder.encoders, encoder.after_norm
    encoder.after_norm = torch.nn.Identity()
    with ExitStack() as stack:
        if mode == "streaming":
            # By hand, because a pruner refuses an encoder without its layers.
            stack.enter_context(encoder.pruner.applied())
            stack.enter_context(encoder.using(mode, sparse=False))
        for count in range(1, len(layers) + 1):
            encoder.encoders = torch.nn.ModuleList(list(layers)[:count])
            rows = []
            for samples in speech:
                features = features_alone(model, samples)
                if features is None:
                    rows.append(None)
                    continue
                sizes = torch.tensor([len(features)])
                rows.append(encoder(features[None], sizes)[0][0])
            found.append(rows)
    encoder.encoders, encoder.after_norm = layers, norm
    return found


@pytest.mark.parametrize("name", ["stock", "full", "streaming"])
def test_one_pass_gives_what_the_layers_give_one_by_one(models, speech, name):
    model, mode = models[name]
    outputs = layer_outputs(model, speech, mode)
    with torch.no_grad():
        expected = one_by_one(model, mode, speech)
    assert len(outputs.layers) == len(expected) == 3
    assert outputs.lengths.tolist()[3] == 0 and outputs.lengths[:3].min() > 5
    for layer, rows in zip(outputs.layers, expected):
        assert layer.shape == (4, int(outputs.lengths.max()), 16)
        for i, row in enumerate(rows):
            length = int(outputs.lengths[i])
            assert length == (0 if row is None else len(row))
            if length:
                assert torch.allclose(layer[i, :length], row, atol=1e-5)


def test_the_modes_differ_and_the_last_layer_is_the_encodings(models, speech):
    model = models["full"][0]
    both = [layer_outputs(model, speech, mode) for mode in ("full", "streaming")]
    for one, other in zip(*(outputs.layers for outputs in both)):
        assert not torch.allclose(one, other, atol=1e-3)
    for mode, outputs in zip(("full", "streaming"), both):
        features = features_alone(model, speech[0])[None]
        encoded, lengths, _ = model.encoder(
            features, torch.tensor([features.shape[1]]), mode=mode
        )
        last = model.encoder.after_norm(outputs.layers[-1][:1, : int(lengths)])
        assert torch.allclose(last, encoded, atol=1e-5)


@pytest.mark.parametrize("name", ["stock", "full", "streaming"])
def test_probing_changes_nothing_in_the_model(models, speech, name):
    model, mode = models[name]
    before = copy.deepcopy(model.state_dict())
    if name == "stock":
        assert any("running_mean" in key for key in before)
    targets, seen = [[3, 4], [5], [4, 3]], []

    def encode(indices):
        outputs = layer_outputs(model, [speech[i] for i in indices], mode)
        seen.extend(outputs.layers)
        return outputs

    scores = fit_probes(
        encode, targets, encode, targets, len(model.token_list), ProbeOptions(2, 2)
    )
    assert len(scores) == 3
    for key, value in model.state_dict().items():
        assert torch.equal(before[key], value), key
    assert not any(one.requires_grad for one in seen)
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert not model.training


def test_a_model_without_layers_or_with_changing_frames_is_refused(tiny_asr_model):
    model, _ = load_asr_model(tiny_asr_model.config, tiny_asr_model.checkpoint)
    with pytest.raises(UserError, match="ConformerEncoder only has full context"):
        layer_outputs(model, [torch.zeros(16000)], "streaming")
    model.encoder.ctc_trim = True
    with pytest.raises(UserError, match="here: ctc_trim changes the frames"):
        freeze(model, "here")
    model.encoder.ctc_trim = False
    model.encoder.encoders = torch.nn.Linear(1, 1)
    with pytest.raises(UserError, match="here.*no list of layers"):
        freeze(model, "here")
