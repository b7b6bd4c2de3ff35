"""The front ends of the graph against ESPnet's, torchaudio's and Kaldi's own."""

import numpy as np
import pytest
import torch
from espnet2.asr.frontend.default import DefaultFrontend
from espnet2.layers.utterance_mvn import UtteranceMVN
from tiny_export import noise

try:
    from espnet2.legacy.nets.pytorch_backend.nets_utils import make_pad_mask
except ImportError:  # before ESPnet 202609
    from espnet.nets.pytorch_backend.nets_utils import make_pad_mask

from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.export.graph.framing import frames_of, lengthen, mirror_ends
from espnet_plugin.export.graph.front_end import LogMelFrontEnd
from espnet_plugin.export.graph.kaldi_front_end import KaldiFrontEnd
from espnet_plugin.export.graph.masks import linear_pad_mask
from espnet_plugin.export.graph.normalise import normalisation

CONFIGURATIONS = {
    "folded": dict(n_fft=512, win_length=400, hop_length=160, n_mels=24),
    "whole window, hop of 8 ms": dict(n_fft=512, hop_length=128),
    "hop longer than half a window": dict(n_fft=400, hop_length=240, n_mels=20),
    "window that does not end at zero": dict(window="hamming", hop_length=160),
    "no window": dict(window=None, hop_length=160, n_mels=40),
    "odd window": dict(n_fft=512, win_length=401, hop_length=160, n_mels=40),
    "not centred": dict(center=False, hop_length=160, n_mels=40),
    "not centred, part of the points": dict(
        center=False, win_length=400, hop_length=160, n_mels=40
    ),
    "normalised, part of the band": dict(
        normalized=True, hop_length=160, n_mels=30, fmin=80, fmax=7600, htk=True
    ),
    "8 kHz": dict(fs="8k", n_fft=256, hop_length=80, n_mels=40),
}


def padded(utterances, value):
    """One batch with ``value`` as padding, twice as much as needed."""
    lengths = torch.tensor([len(one) for one in utterances])
    batch = torch.full((len(utterances), 2 * int(lengths.max())), value)
    for row, one in zip(batch, utterances):
        row[: len(one)] = torch.from_numpy(one)
    return batch, lengths


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_espnets_front_end_utterance_by_utterance(name):
    stock = DefaultFrontend(**CONFIGURATIONS[name]).eval()
    front_end = LogMelFrontEnd(stock)
    least = front_end.least_samples(1)
    utterances = [noise(count, count) for count in (least, 8000, 12345, 700)]
    samples, lengths = padded(utterances, 5.0)
    feats, counts = front_end(samples, lengths)
    for row, count, one in zip(feats, counts, utterances):
        expected, frames = stock(torch.from_numpy(one)[None], torch.tensor([len(one)]))
        assert int(count) == int(frames[0])
        torch.testing.assert_close(row[:count], expected[0], atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_audio_shorter_than_what_a_frame_reads(name):
    """It is followed by zeros; a window within the points skips the first samples."""
    stock = DefaultFrontend(**CONFIGURATIONS[name]).eval()
    front_end = LogMelFrontEnd(stock)
    least = front_end.least_samples(3)
    utterances = [noise(count + 2, count)[:count] for count in (1, 20, 57, 300)]
    for chosen in (utterances, utterances[:1]):
        samples, lengths = padded(chosen, 5.0)
        samples = samples[:, : int(lengths.max())]
        feats, counts = front_end(samples, lengths, least)
        for row, count, one in zip(feats, counts, chosen):
            longer = np.pad(one, (0, max(0, least - len(one))))
            given = torch.from_numpy(longer)[None], torch.tensor([len(longer)])
            expected, frames = stock(*given)
            assert int(count) == int(frames[0])
            torch.testing.assert_close(row[:count], expected[0], atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_least_samples_are_the_least(name):
    stock = DefaultFrontend(**CONFIGURATIONS[name]).eval()
    least = LogMelFrontEnd(stock).least_samples(15)
    for count, frames in ((least, 15), (least - 1, 14)):
        samples = torch.zeros(1, count)
        assert int(stock(samples, torch.tensor([count]))[1]) == frames


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("mels", [40, 80])
def test_kaldi_front_end_is_torchaudios(rate, mels):
    front_end = KaldiFrontEnd(rate, mels)
    least = front_end.least_samples(1)
    # With an offset, which Kaldi removes frame by frame.
    utterances = [noise(n, n) + 0.01 for n in (least, least + 79, 9001, 16000)]
    samples, lengths = padded(utterances, 5.0)
    feats, counts = front_end(samples, lengths)
    for row, count, one in zip(feats, counts, utterances):
        expected = kaldi_fbank(one, rate, mels)
        assert int(count) == len(expected)
        np.testing.assert_allclose(row[:count].numpy(), expected, atol=5e-4)


def test_kaldi_front_end_is_kaldi_native_fbanks():
    native = pytest.importorskip("kaldi_native_fbank")
    samples = noise(16000, 5)
    options = native.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    computer = native.OnlineFbank(options)
    computer.accept_waveform(16000, (samples * 32768).tolist())
    computer.input_finished()
    count = computer.num_frames_ready
    expected = np.stack([computer.get_frame(index) for index in range(count)])
    given = torch.from_numpy(samples)[None]
    feats, counts = KaldiFrontEnd(16000, 80)(given, torch.tensor([16000]))
    assert counts.tolist() == [count]
    np.testing.assert_allclose(feats[0].numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("means", [True, False])
@pytest.mark.parametrize("variances", [True, False])
def test_utterance_normalisation(means, variances):
    stock = UtteranceMVN(norm_means=means, norm_vars=variances)
    feats, lengths = torch.randn(3, 50, 7) * 3 + 1, torch.tensor([50, 20, 1])
    expected, _ = stock(feats.clone(), lengths)
    found = normalisation(stock)(feats, lengths)
    for row, other, count in zip(found, expected, lengths):
        torch.testing.assert_close(row[:count], other[:count], atol=1e-5, rtol=1e-5)


def test_mirroring_is_numpys_at_each_ones_end():
    utterances = [np.arange(n, dtype=np.float32) + n for n in (9, 30, 17)]
    samples, lengths = padded(utterances, -1.0)
    for skip, mode in ((1, "reflect"), (0, "symmetric")):
        mirrored = mirror_ends(samples, lengths, 5, 8, skip, least=9)
        for row, one in zip(mirrored, utterances):
            expected = np.pad(one, (5, 8), mode=mode)
            np.testing.assert_array_equal(row[: len(expected)].numpy(), expected)


@pytest.mark.parametrize("size, hop", [(400, 160), (512, 128), (160, 160), (100, 160)])
def test_frames_are_those_of_unfold(size, hop):
    for count in (size, size + 1, size + hop - 1, size + hop, 5 * hop + size + 3):
        x = torch.arange(2.0 * count).view(2, count)
        torch.testing.assert_close(frames_of(x, size, hop), x.unfold(1, size, hop))


def test_lengthening():
    x, lengths = torch.ones(3, 10, 2), torch.tensor([1, 4, 6])
    longer, counts = lengthen(x, lengths, 5)
    assert counts.tolist() == [5, 5, 6] and longer.shape == (3, 6, 2)
    assert longer[0, :, 0].tolist() == [1, 0, 0, 0, 0, 1]
    assert longer[1, :5, 0].tolist() == [1, 1, 1, 1, 0]
    longer, counts = lengthen(torch.ones(1, 2), torch.tensor([2]), 5)
    assert longer.tolist() == [[1, 1, 0, 0, 0]] and counts.tolist() == [5]


def test_linear_masks_are_espnets():
    lengths = torch.tensor([3, 7, 1])
    xs3, xs4 = torch.zeros(3, 9, 5), torch.zeros(3, 9, 2, 5)
    assert torch.equal(linear_pad_mask(lengths), make_pad_mask(lengths))
    assert torch.equal(
        linear_pad_mask(lengths, maxlen=11), make_pad_mask(lengths, maxlen=11)
    )
    for xs, dim in ((xs3, 1), (xs3.transpose(1, 2), -1), (xs4, 1)):
        found = linear_pad_mask(lengths, xs, dim)
        assert torch.equal(found, make_pad_mask(lengths, xs, dim))
