"""Samples in pieces against the whole file: features, frames and tokens."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dual_small import small_encoder

from espnet_plugin.dual_mode.features import StreamingFeatures
from espnet_plugin.dual_mode.recogniser import StreamingRecogniser
from espnet_plugin.errors import UserError

TOKENS = ["<blank>", "<unk>", *"abcdef", "<sos/eos>"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Front end, normalisation and CTC layer are ESPnet's own."""
    from espnet2.asr.ctc import CTC
    from espnet2.asr.frontend.default import DefaultFrontend
    from espnet2.layers.global_mvn import GlobalMVN

    stats = tmp_path_factory.mktemp("stats") / "feats_stats.npz"
    np.savez(
        stats,
        count=np.array(10.0),
        sum=np.full(9, -60.0, dtype=np.float32),
        sum_square=np.full(9, 450.0, dtype=np.float32),
    )
    encoder = small_encoder().float()
    ctc = CTC(len(TOKENS), 8)
    with torch.no_grad():
        ctc.ctc_lo.weight.mul_(8.0)

    class Model(torch.nn.Module):
        """The parts of an ESPnetASRModel that are used."""

        def __init__(self):
            super().__init__()
            self.frontend = DefaultFrontend(
                fs=8000, n_fft=128, win_length=100, hop_length=40, n_mels=9
            )
            self.normalize = GlobalMVN(stats)
            self.preencoder = self.postencoder = None
            self.encoder, self.ctc = encoder, ctc
            self.token_list, self.blank_id, self.eos = TOKENS, 0, len(TOKENS) - 1

    return Model().eval()


def signal(samples):
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(samples, generator=generator)
    times = torch.arange(samples) / 8000
    return 0.3 * torch.sin(2000 * times * (1 + times)) + 0.05 * noise


def whole(model, x):
    """Tokens of the whole utterance in streaming mode, collapsed in two steps."""
    with torch.no_grad():
        features, lengths = model.frontend(x[None], torch.tensor([len(x)]))
        features, lengths = model.normalize(features, lengths)
        frames, _, _ = model.encoder(features, lengths, mode="streaming")
        best = model.ctc.argmax(frames)[0].tolist()
    runs = [t for i, t in enumerate(best) if i == 0 or best[i - 1] != t]
    return [t for t in runs if t not in (0, len(TOKENS) - 1)]


@pytest.mark.parametrize("size", [1, 37, 160, 1000, 9999])
def test_any_block_size_gives_the_tokens_of_the_whole_file(model, size):
    x = signal(400 if size == 1 else 5003)
    recogniser = StreamingRecogniser(model, to_text="".join)
    texts = []
    for start in range(0, len(x), size):
        piece = x[start : start + size]
        texts.append(recogniser.accept(piece, sample_rate=8000).text)
    result = recogniser.accept([], last=True)
    assert result.final and result.token_ids == whole(model, x)
    assert result.text == "".join(TOKENS[i] for i in result.token_ids)
    assert all(result.text.startswith(text) for text in texts)  # it only grows
    if size != 1:
        assert len(set(result.token_ids)) > 1
    recogniser.reset()
    assert recogniser.accept(x, last=True).token_ids == result.token_ids


@pytest.mark.parametrize("size", [1, 64, 65, 333, 2000])
def test_the_features_are_espnets(model, size):
    x = signal(900)
    stream = StreamingFeatures(model.frontend, model.normalize)
    features = [stream.accept(x[i : i + size]) for i in range(0, 900, size)]
    features.append(stream.accept(x[:0], last=True))
    expected, _ = model.frontend(x[None], torch.tensor([900]))
    expected, _ = model.normalize(expected, torch.tensor([expected.shape[1]]))
    together = torch.cat(features, dim=1)
    assert together.shape == expected.shape == (1, 23, 9)
    assert torch.allclose(together, expected, atol=1e-4)


def test_a_chunk_is_there_after_the_stated_latency(model):
    latency = model.encoder.latency_ms(hop_ms=5, window_ms=16)
    needed = round(latency.total_ms * 8)  # samples at 8 kHz
    x = signal(needed)
    seen = []
    recogniser = StreamingRecogniser(model)
    stream = model.encoder.stream

    def counting(*arguments):
        frames, state = stream(*arguments)
        seen.append(frames.shape[1])
        return frames, state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.encoder, "stream", counting)
        recogniser.accept(x[:-1])
        recogniser.accept(x[-1:])
    assert seen == [0, 4]


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 200, 300])
def test_abrupt_ends_and_silence(model, samples):
    recogniser = StreamingRecogniser(model)
    result = recogniser.accept(torch.zeros(samples), last=True)
    assert result.final
    if samples < 200:  # fewer frames than the front end needs for one
        assert result.tokens == [] and result.text == ""
    else:
        x = torch.zeros(samples)
        frames = samples // 40 + 1
        assert result.token_ids == (whole(model, x) if frames >= 7 else [])


def test_bad_input_is_named(model):
    recogniser = StreamingRecogniser(model)
    with pytest.raises(UserError, match="16000.*8000 Hz"):
        recogniser.accept(signal(10), sample_rate=16000)
    with pytest.raises(UserError, match="NaN"):
        recogniser.accept([0.0, float("nan")])
    with pytest.raises(UserError, match="one channel"):
        recogniser.accept(torch.zeros(10, 2))
    with pytest.raises(UserError, match="up to 3000: must be in .-1, 1.*32768"):
        recogniser.accept(torch.tensor([0.0, -3000.0]))
    with pytest.raises(UserError, match="32768"):
        recogniser.accept(torch.zeros(10, dtype=torch.int16))
    recogniser.accept(signal(10), last=True)
    with pytest.raises(UserError, match=r"reset\(\)"):
        recogniser.accept(signal(10))
    with pytest.raises(UserError, match="look_ahead_frames"):
        StreamingRecogniser(model, chunk_frames=1)
    parts = dict(vars(model)["_modules"], encoder=torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="Linear.*dual_mode_conformer"):
        StreamingRecogniser(SimpleNamespace(**parts))
