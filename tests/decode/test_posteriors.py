"""Posteriors of a batch against those of each utterance alone, by stock ESPnet."""

import pytest
import soundfile
import torch
from espnet2.tasks.asr import ASRTask
from tiny_asr import build_tiny_asr

from espnet_plugin.decode.posteriors import log_posteriors, masks_padding
from espnet_plugin.files import read_pairs

ENCODERS = {
    "conformer": dict(cnn_module_kernel=7, rel_pos_type="latest"),
    "conformer_legacy": dict(cnn_module_kernel=7, rel_pos_type="legacy"),
    "transformer": {},
    "e_branchformer": dict(cgmlp_linear_units=32, cgmlp_conv_kernel=7, use_ffn=True),
}


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_posteriors_do_not_depend_on_the_batch(tmp_path, name):
    encoder = name.removesuffix("_legacy")
    model = build_tiny_asr(tmp_path, encoder=encoder, encoder_conf=ENCODERS[name])
    asr, _ = ASRTask.build_model_from_file(model.config, model.checkpoint)
    asr.eval()
    assert masks_padding(asr) == (not name.endswith("legacy"))
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
