"""Posteriors of a batch against those of each utterance alone, by stock ESPnet."""

import pytest
import soundfile
import torch
from espnet2.tasks.asr import ASRTask
from tiny_asr import build_tiny_asr

from espnet_plugin.decode.posteriors import log_posteriors, masks_padding
from espnet_plugin.files import read_pairs

CONVOLUTIONS = dict(positionwise_layer_type="conv1d", positionwise_conv_kernel_size=3)
# Name: encoder, encoder_conf, whether it masks what pads a batch.
ENCODERS = {
    "conformer": ("conformer", dict(rel_pos_type="latest"), True),
    "legacy positions": ("conformer", dict(rel_pos_type="legacy"), False),
    "convolutional positions": (
        "conformer",
        dict(pos_enc_layer_type="conv", selfattention_layer_type="selfattn"),
        False,
    ),
    "conv1d": ("conformer", dict(rel_pos_type="latest", **CONVOLUTIONS), False),
    "conv1d-linear": (
        "transformer",
        {**CONVOLUTIONS, "positionwise_layer_type": "conv1d-linear"},
        False,
    ),
    "transformer": ("transformer", {}, True),
    "e_branchformer": (
        "e_branchformer",
        dict(cgmlp_linear_units=32, cgmlp_conv_kernel=7, use_ffn=True),
        True,
    ),
}


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_posteriors_do_not_depend_on_the_batch(tmp_path, name):
    encoder, conf, masks = ENCODERS[name]
    if encoder == "conformer":
        conf = dict(cnn_module_kernel=7, **conf)
    model = build_tiny_asr(tmp_path, encoder=encoder, encoder_conf=conf)
    asr, _ = ASRTask.build_model_from_file(model.config, model.checkpoint)
    asr.eval()
    assert masks_padding(asr) == masks
    waves = [
        torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        for path in read_pairs(model.wav_scp).values()
    ]
    together, lengths = log_posteriors(asr, waves)
    for row, wave in enumerate(waves):
        with torch.no_grad():
            encoded, sizes = asr.encode(wave[None], torch.tensor([len(wave)]))
            alone = asr.ctc.log_softmax(encoded)[0]
        assert int(lengths[row]) == int(sizes[0])
        assert torch.allclose(together[row, : lengths[row]], alone, atol=1e-3)
