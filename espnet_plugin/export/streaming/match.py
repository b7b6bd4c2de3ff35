"""A matrix that converts Kaldi's features to the model's, and its error."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchaudio
from torch import nn

from espnet_plugin.counted import counted
from espnet_plugin.errors import UserError
from espnet_plugin.export.dev import read_dev
from espnet_plugin.export.reference import best_tokens
from espnet_plugin.export.streaming.front_end import stock_features
from espnet_plugin.export.streaming.reference import torch_stream
from espnet_plugin.export.streaming.source import StreamingSource
from espnet_plugin.score.wer import count_errors

__all__ = ["KALDI_BINS", "MatchLoss", "fit_match", "online_fbank"]

# What sherpa-onnx computes where nothing else is said.
KALDI_BINS, _HIGH_HZ = 80, -400.0
_UTTERANCES, _LEAST = 200, 8
# Of the mean square of a feature; so little that it only keeps the solution finite.
_RIDGE = 1e-4


@dataclass(frozen=True)
class MatchLoss:
    """What a fitted matrix costs, on utterances that it was not fitted on.

    Attributes:
        folder: Name of the data folder.
        fitted_on: Number of utterances that the matrix was fitted on.
        utterances: Number of utterances that were compared.
        words: Number of words in their transcripts.
        rms: Root mean square of the error of the features, in standard deviations of
            each.
        wer_exact: Word error rate with the model's own features, in percent.
        wer_approximate: Word error rate with the fitted features, in percent.
        same_tokens: Number of utterances with the same tokens.
    """

    folder: str
    fitted_on: int
    utterances: int
    words: int
    rms: float
    wer_exact: float
    wer_approximate: float
    same_tokens: int


def online_fbank(
    samples: np.ndarray, rate: int, bins: int = KALDI_BINS, high_freq: float = _HIGH_HZ
) -> torch.Tensor:
    """Return sherpa-onnx's features of its online kinds, ``(1, frames, bins)``."""
    found = torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(samples)[None] * 32768.0,
        num_mel_bins=bins,
        sample_frequency=rate,
        dither=0.0,
        snip_edges=False,
        high_freq=high_freq,
    )
    return found[None]


def fit_match(source: StreamingSource, folder: Path) -> tuple[nn.Linear, MatchLoss]:
    """Fit the matrix on every other utterance and measure it on the rest.

    Args:
        source: A model with ESPnet's front end, 10 ms a frame.
        folder: A Kaldi data folder.

    Raises:
        UserError: If the front end has other frames, or the folder too few utterances.
    """
    facts = source.facts
    if 100 * facts.hop != facts.sample_rate:
        raise UserError(
            f"{facts.experiment}: frontend_conf.hop_length {facts.hop}: sherpa-onnx "
            f"uses {facts.sample_rate // 100} samples (10 ms) per frame; use --target "
            "onnx"
        )
    data = read_dev(folder, facts.sample_rate, _UTTERANCES)
    names = [n for n, s in data.audio.items() if 40 * len(s) >= facts.sample_rate]
    if len(names) < _LEAST:
        raise UserError(
            f"--calibration {folder}: {counted(len(names), 'utterance')} of "
            f"at least 25 ms: give at least {_LEAST}, better 60"
        )
    pairs = {n: _features(source, data.audio[n]) for n in names}
    fit, rest = names[::2], names[1::2]
    linear = _fitted([pairs[name] for name in fit])
    residual, errors, words, same = [], [0, 0], 0, 0
    for name in rest:
        kaldi, own = pairs[name]
        with torch.no_grad():
            made = linear(kaldi)
        residual.append((made - own)[0])
        tokens = []
        for number, features in enumerate((own, made)):
            tokens.append(best_tokens(torch_stream(source, features), facts))
            text = source.text(tokens[number])
            counts, _ = count_errors(data.text[name], text)
            errors[number] += counts.errors
        words += counts.reference
        same += tokens[0] == tokens[1]
    spread = torch.cat([pairs[name][1][0] for name in rest]).std(dim=0)
    rms = (torch.cat(residual) / spread).square().mean().sqrt()
    wer = [100.0 * count / max(words, 1) for count in errors]
    loss = MatchLoss(
        data.folder, len(fit), len(rest), words, float(rms), wer[0], wer[1], same
    )
    return linear, loss


def _features(
    source: StreamingSource, samples: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    kaldi = online_fbank(samples, source.facts.sample_rate)
    own = stock_features(source, samples)
    # Of as many frames: the model's is one more for most lengths.
    count = min(kaldi.shape[1], own.shape[1])
    return kaldi[:, :count], own[:, :count]


def _fitted(pairs) -> nn.Linear:
    """Return the affine map of least squares, in float64."""
    x = torch.cat([kaldi[0] for kaldi, _ in pairs]).double()
    y = torch.cat([own[0] for _, own in pairs]).double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    square = x.t() @ x
    ridge = _RIDGE * square.diagonal().mean() * torch.eye(len(square)).double()
    weight = torch.linalg.solve(square + ridge, x.t() @ y).t()
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.data = weight.float().contiguous()
    linear.bias.data = (mean_y - weight @ mean_x).float()
    return linear.eval()
