"""Frame arithmetic against the layers it describes."""

from inspect import signature

import pytest
import torch
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.asr.frontend.default import DefaultFrontend
from espnet2.legacy.nets.pytorch_backend.transformer import subsampling
from espnet2.tasks.asr import encoder_choices

from espnet_plugin.data.frames import (
    ctc_frames_needed,
    encoder_frame_centres,
    encoder_frames,
    feature_frames,
    input_layer_of,
)
from espnet_plugin.errors import UserError

LAYERS = {
    "conv1d1": subsampling.Conv1dSubsampling1,
    "conv1d2": subsampling.Conv1dSubsampling2,
    "conv1d3": subsampling.Conv1dSubsampling3,
    "conv2d": subsampling.Conv2dSubsampling,
    "conv2d1": subsampling.Conv2dSubsampling1,
    "conv2d2": subsampling.Conv2dSubsampling2,
    "conv2d6": subsampling.Conv2dSubsampling6,
    "conv2d8": subsampling.Conv2dSubsampling8,
}


@pytest.mark.parametrize("name", LAYERS)
def test_equals_espnets_layer(name):
    layer = LAYERS[name](40, 2, 0.0).eval()
    tried = 0
    for frames in (*range(1, 70), 101, 333, 1000):
        too_short, _ = subsampling.check_short_utt(layer, frames)
        expected = 0
        if not too_short:
            mask = torch.ones(1, 1, frames, dtype=torch.bool)
            with torch.no_grad():
                output, mask = layer(torch.zeros(1, frames, 40), mask)
            expected = int(mask.sum())
            assert expected == output.size(1)
            tried += 1
        assert encoder_frames(frames, name) == expected, frames
    assert tried > 50


@pytest.mark.parametrize("name", ["linear", "wav2vec", None])
def test_some_keep_every_frame(name):
    encoder = TransformerEncoder(
        16, 16, attention_heads=2, num_blocks=1, input_layer=name
    )
    _, lengths, _ = encoder(torch.zeros(1, 17, 16), torch.tensor([17]))
    assert encoder_frames(17, name) == 17 == int(lengths[0])


def test_the_layer_of_a_configuration():
    def layer(encoder, **conf):
        return input_layer_of({"encoder": encoder, "encoder_conf": conf})

    assert layer("e_branchformer", input_layer="conv1d3") == ("conv1d3", True)
    assert layer("conformer", input_layer=None) == (None, True)
    # What ESPnet's own constructors say.
    for name in encoder_choices.classes:
        parameter = signature(encoder_choices.get_class(name)).parameters
        default = getattr(parameter.get("input_layer"), "default", None)
        expected = ("conv2d", True) if default == "conv2d" else ("linear", False)
        assert layer(name) == expected, name
    assert layer("conformer", input_layer="conv3d") == ("linear", False)
    assert input_layer_of({}) == ("linear", False)


def test_unknown_layer():
    with pytest.raises(UserError, match="'conv3d' is not one of conv1d1, .*linear"):
        encoder_frames(100, "conv3d")


@pytest.mark.parametrize("hop_length", [80, 128, 160])
def test_equals_espnets_frontend(hop_length):
    frontend = DefaultFrontend(n_fft=512, hop_length=hop_length, n_mels=20)
    lengths = [400, 512, 1599, 1600, 1601, 4000, 4095, 4096]
    speech = torch.randn(len(lengths), max(lengths))
    _, frames = frontend(speech, torch.tensor(lengths))
    assert frames.tolist() == [feature_frames(n, hop_length) for n in lengths]


@pytest.mark.parametrize(
    "tokens", [[1], [1, 1], [1, 2, 3], [2, 2, 2], [1, 2, 2, 1, 1, 3], list(range(1, 9))]
)
def test_is_the_fewest_frames_with_a_finite_ctc_loss(tokens):
    needed = ctc_frames_needed(tokens)

    def loss(frames):
        scores = torch.zeros(frames, 1, 10).log_softmax(-1)
        return torch.nn.functional.ctc_loss(
            scores, torch.tensor([tokens]), [frames], [len(tokens)]
        )

    assert torch.isfinite(loss(needed))
    assert needed == 1 or not torch.isfinite(loss(needed - 1))


def test_tokens_may_be_strings():
    assert ctc_frames_needed(list("HELLO")) == 6
    assert ctc_frames_needed([]) == 0


@pytest.mark.parametrize(
    "layer", ["conv2d", "conv2d1", "conv2d2", "conv2d6", "conv2d8"]
)
def test_a_frame_lies_in_the_middle_of_what_it_hears(layer):
    """Which feature frames the gradient of an encoder frame reaches."""
    torch.manual_seed(0)
    encoder = ConformerEncoder(
        40, output_size=8, attention_heads=2, linear_units=8, num_blocks=1,
        input_layer=layer,
    ).eval()  # fmt: skip
    first, step = encoder_frame_centres(layer)
    features = torch.randn(1, 120, 40, requires_grad=True)
    out, _ = encoder.embed(features, torch.ones(1, 1, 120, dtype=torch.bool))
    out = out[0] if isinstance(out, tuple) else out
    for frame in range(3):
        (grad,) = torch.autograd.grad(out[0, frame].sum(), features, retain_graph=True)
        heard = torch.nonzero(grad[0].abs().sum(1))[:, 0]
        assert (heard[0] + heard[-1]) / 2 == first + step * frame
