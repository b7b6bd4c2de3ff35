"""Every encoder that can be exported says in onnxruntime what it says in ESPnet."""

import numpy as np
import pytest
import torch
from tiny_export import (
    VARIANTS,
    build_variant,
    check_operators,
    espnet_log_probs,
    noise,
)

from espnet_plugin.export.ports import FeaturesPort, SamplesPort
from espnet_plugin.export.runtime import OnnxModel
from espnet_plugin.export.source import load_source
from espnet_plugin.export.targets import batch_warnings
from espnet_plugin.export.write import write_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TOLERANCE = 1e-4
OF_PADDING = (
    "conformer_legacy",
    "conformer_conv1d",
    "conformer_convolutional_positions",
)
# Of ESPnet's table of positions; longer audio makes it anew.
TABLE = 5000


@pytest.fixture(scope="module", params=VARIANTS)
def exported(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    source = load_source(build_variant(root, request.param).dir)
    write_model(SamplesPort(), source, root / "model.onnx", {})
    check_operators(root / "model.onnx")
    return request.param, source, OnnxModel(root / "model.onnx")


def test_one_utterance_of_any_length(exported):
    _, source, model = exported
    port = SamplesPort()
    least = port.build(source).least
    for count in (least, least + 1, 7777, 16000, 50001):
        samples = noise(count, count)
        (expected,) = espnet_log_probs(source.model, [samples])
        (found,) = port.read(model.run(port.feed([samples])))
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_audio_that_is_too_short_is_followed_by_zeros(exported):
    _, source, model = exported
    port = SamplesPort()
    for count in (1, 255, port.build(source).least - 1):
        samples = noise(count + 2, count)[:count]
        longer = np.zeros(port.build(source).least, dtype=np.float32)
        longer[:count] = samples
        (expected,) = espnet_log_probs(source.model, [longer])
        (found,) = port.read(model.run(port.feed([samples])))
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_a_batch_with_lengths_is_each_one_alone(exported):
    name, source, model = exported
    port = SamplesPort()
    # The card of the others says so.
    assert any("one utterance" in one for one in batch_warnings(source, port)) == (
        name in OF_PADDING
    )
    if name in OF_PADDING:
        pytest.skip("its output depends on the padding in ESPnet too")
    utterances = [noise(count, count) for count in (9000, 40003, 21000, 300)]
    utterances[-1] = np.pad(utterances[-1], (0, 3000))
    feed = port.feed(utterances)
    # More padding than needed, and loud, must not be heard.
    loud = np.full((4, 50000), 3.0, dtype=np.float32)
    for row, samples in zip(loud, utterances):
        row[: len(samples)] = samples
    feed["samples"] = loud
    expected = espnet_log_probs(source.model, utterances)
    found = port.read(model.run(feed))
    for one, other in zip(found, expected):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.parametrize("normalize", ["global_mvn", "utterance_mvn", None])
def test_features_in(tmp_path, tiny_asr_model, normalize):
    source = load_source(tiny_asr_model.dir)
    model = source.model
    if normalize != "global_mvn":
        model.normalize = None
    if normalize == "utterance_mvn":
        from espnet2.layers.utterance_mvn import UtteranceMVN

        model.normalize = UtteranceMVN(norm_means=True, norm_vars=True)
    port = FeaturesPort()
    write_model(port, source, tmp_path / "model.onnx", {})
    onnx_model = OnnxModel(tmp_path / "model.onnx")
    utterances = [noise(count, count) for count in (16000, 9000)]
    with torch.inference_mode():
        feats = [
            model.frontend(torch.from_numpy(x)[None], torch.tensor([len(x)]))[0][0]
            for x in utterances
        ]
    expected = espnet_log_probs(model, utterances)
    found = port.read(onnx_model.run(port.feed([f.numpy() for f in feats])))
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
    short = onnx_model.run(port.feed([feats[0][:1].numpy()]))
    assert np.isfinite(port.read(short)[0]).all() and len(port.read(short)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conformer_conv2d1", "transformer"])
def test_beyond_espnets_table_of_positions(tmp_path, name):
    source = load_source(build_variant(tmp_path, name).dir)
    port = FeaturesPort()
    write_model(port, source, tmp_path / "model.onnx", {})
    model = source.model
    stride = source.facts.stride
    feats = torch.randn(stride * (TABLE + 100), source.facts.feature_dim) * 3 - 6
    with torch.inference_mode():
        given, lengths = model.normalize(
            feats[None].clone(), torch.tensor([len(feats)])
        )
        encoded, _, _ = model.encoder(given, lengths)
        expected = model.ctc.log_softmax(encoded)[0].numpy()
    assert len(expected) > TABLE
    outputs = OnnxModel(tmp_path / "model.onnx").run(port.feed([feats.numpy()]))
    np.testing.assert_allclose(port.read(outputs)[0], expected, atol=TOLERANCE)
