"""The encoder inside a model that ESPnet's own task builds, trains and averages."""

import torch
import yaml
from tiny_asr import build_tiny_asr

CONF = dict(
    macaron_style=True,
    cnn_module_kernel=7,
    chunk_frames=[4, 3],
    left_context_frames=6,
    look_ahead_frames=1,
    pruning=dict(sparsity=0.5, every=1, end=0.5),
)


def test_espnets_task_builds_it_and_both_modes_train(tmp_path):
    from espnet2.tasks.asr import ASRTask

    from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
    from espnet_plugin.dual_mode.extract import extract_streaming, extracted_options
    from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
    from espnet_plugin.host import register
    from espnet_plugin.names import DUAL_MODE

    register()
    tiny = build_tiny_asr(tmp_path, encoder=DUAL_MODE, encoder_conf=CONF)
    model, _ = ASRTask.build_model_from_file(tiny.config, tiny.checkpoint)
    encoder = model.encoder
    assert isinstance(encoder, DualModeConformerEncoder)
    torch.manual_seed(0)
    speech, lengths = 0.1 * torch.randn(2, 16000), torch.tensor([16000, 12000])
    text, text_lengths = torch.tensor([[5, 6], [7, -1]]), torch.tensor([2, 1])
    optim = torch.optim.Adam(model.parameters(), lr=1e-3)
    states = []
    model.train()
    for _ in range(6):
        encoder.pruner.step(6)
        loss = 0.0
        for mode in ("full", "streaming"):
            with encoder.using(mode):
                loss = loss + model(speech, lengths, text, text_lengths)[0]
        optim.zero_grad()
        loss.backward()
        optim.step()
        assert torch.isfinite(loss)
        states.append({k: v.clone() for k, v in model.state_dict().items()})
    # As espnet2.main_funcs.average_nbest_models: integers are added up, not divided.
    average = dict(states[-1])
    for name in average:
        average[name] = sum(state[name] for state in states[-3:])
        if not str(average[name].dtype).startswith("torch.int"):
            average[name] = average[name] / 3
    model.load_state_dict(average)
    model.eval()
    encoder.pruner.check_binary()
    assert encoder.pruner.frozen and encoder.pruner.sparsity == 0.5
    wave = speech[0].clone()
    final = StreamingRecogniser(model).accept(wave, sample_rate=16000, last=True)
    with torch.no_grad(), encoder.using("streaming"):
        encoding, frames = model.encode(wave[None], torch.tensor([16000]))
        best = model.ctc.argmax(encoding)[0].unique_consecutive().tolist()
        assert final.token_ids == [t for t in best if t not in (0, model.eos)]
        # The extracted encoder takes the place of the whole one.
        model.encoder = extract_streaming(encoder)
        small, _ = model.encode(wave[None], torch.tensor([16000]))
        assert torch.allclose(small, encoding, atol=1e-4)
    options = yaml.safe_load(yaml.safe_dump(extracted_options(encoder)))
    again = DualModeConformerEncoder(**options)
    again.load_state_dict(model.encoder.state_dict(), strict=True)
