"""A model with Kaldi's filter banks for sherpa-onnx's type ``zipformer_ctc``."""

import math
from typing import Sequence

import numpy as np
import torch
from torch import nn

from espnet_plugin.data.fbank import kaldi_fbank
from espnet_plugin.errors import UserError
from espnet_plugin.export.facts import KALDI_FRONT_END, ModelFacts
from espnet_plugin.export.graph.recogniser import FeatureRecogniser
from espnet_plugin.export.ports import NEVER, LengthsPort, features_example, padded
from espnet_plugin.export.scripts import RUNNERS
from espnet_plugin.export.source import Source
from espnet_plugin.export.targets import Target

__all__ = ["ZipformerGraph", "ZipformerPort", "zipformer_target"]

# The kind computes features of samples in [-1, 1]; the model's are of 16-bit numbers.
_OFFSET = 2 * math.log(32768.0)
_FLOOR = math.log(torch.finfo(torch.float32).eps)
# Number of feature frames per output frame that sherpa-onnx assumes for times.
_FACTOR = 4
_LEAST_SAME = 0.95

_RUN = """\
    pip install numpy soundfile sherpa-onnx
    python run_sherpa_kaldi.py FILE...

sherpa-onnx's command line:

    sherpa-onnx-offline --zipformer-ctc-model=model.onnx --tokens=tokens.txt \\
      --high-freq=0 --feat-dim={dim} --sample-rate={rate} FILE.wav

**high_freq must be 0**: the model's filters end at half the rate. An application whose
configuration has no such field computes features that are not the model's.
"""


class ZipformerGraph(nn.Module):
    """Features of sherpa-onnx to log-probabilities.

    Args:
        recogniser: The recogniser from the model's own features.
        never: Numbers of tokens that must not win.
        vocabulary: Tokens.
    """

    def __init__(self, recogniser: nn.Module, never: Sequence[int], vocabulary: int):
        super().__init__()
        self.recogniser = recogniser
        offset = torch.zeros(vocabulary)
        offset[list(never)] = NEVER
        self.register_buffer("offset", offset, persistent=False)

    def forward(
        self, x: torch.Tensor, x_lens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Recognise ``(batch, frames, dim)`` with lengths ``(batch,)``."""
        # Digital silence is at the floor, which the scale does not move.
        silent = x.amax(-1, keepdim=True) <= _FLOOR + 1e-3
        feats = torch.where(silent, x, x + _OFFSET)
        log_probs, lengths = self.recogniser(feats, x_lens)
        return log_probs + self.offset, lengths


class ZipformerPort(LengthsPort):
    """Kaldi features of samples in [-1, 1], and lengths, to the usual two.

    Args:
        never: Numbers of tokens that must not win.
        facts: The model: rate and number of filters.
    """

    def __init__(self, never: tuple[int, ...], facts: ModelFacts):
        super().__init__(
            "samples",
            ("x", "x_lens"),
            ("log_probs", "log_probs_len"),
            {
                "x": {0: "batch", 1: "feature_frames"},
                "x_lens": {0: "batch"},
                "log_probs": {0: "batch", 1: "frames"},
                "log_probs_len": {0: "batch"},
            },
            masked=never,
            least_same=_LEAST_SAME,
        )
        object.__setattr__(self, "facts", facts)

    def build(self, source: Source) -> nn.Module:
        recogniser = FeatureRecogniser(source.model)
        return ZipformerGraph(recogniser, self.masked, len(source.facts.tokens))

    def example(self, facts: ModelFacts) -> tuple[torch.Tensor, ...]:
        return features_example(facts)

    def feed(self, speech: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the features that sherpa-onnx computes of samples."""
        rate, dim = self.facts.sample_rate, self.facts.feature_dim
        feats = []
        for samples in speech:
            short = len(samples) < rate // 40  # of less than a window there are none
            found = np.zeros((1, dim), np.float32) if short else None
            if found is None:
                found = kaldi_fbank(samples, rate, dim)
                silent = found.max(axis=1, keepdims=True) <= _FLOOR + 1e-3
                found = np.where(silent, found, found - np.float32(_OFFSET))
            feats.append(found.astype(np.float32))
        return dict(zip(self.inputs, padded(feats)))


def zipformer_target(source: Source, tokens: tuple[str, ...], never: tuple[int, ...]):
    """Return the target of this kind; see ``sherpa_target``.

    Raises:
        UserError: If the model does not take this plugin's Kaldi filter banks.
    """
    facts = source.facts
    if facts.front_end != KALDI_FRONT_END:
        raise UserError(
            f"--sherpa_kind zipformer_ctc: {facts.experiment} does not take Kaldi's "
            "filter banks, which this type computes: leave the option out, or, if it "
            "was trained with --feats_type fbank, give --fbank_rate"
        )
    warnings = [
        "in audio so quiet that a filter is below the floor of sherpa-onnx's "
        "features (1.2e-7 of full scale squared), the features differ from the "
        "model's"
    ]
    if facts.stride != _FACTOR:
        warnings.append(
            f"one encoder frame is {facts.stride} feature frames, but sherpa-onnx "
            f"assumes {_FACTOR}: the times it gives for tokens are wrong by the "
            f"factor {_FACTOR / facts.stride:.3g}; texts are right"
        )
    return Target(
        name="sherpa-onnx",
        port=ZipformerPort(never, facts),
        tokens=tokens,
        runner=RUNNERS / "run_sherpa_kaldi.py",
        run=_RUN.format(dim=facts.feature_dim, rate=facts.sample_rate),
        needs="sherpa_onnx",
        metadata={
            "model_type": "zipformer2_ctc",
            "feature_dim": str(facts.feature_dim),
            "high_freq": "0",
        },
        meta={"sherpa_kind": "zipformer_ctc", "high_freq": 0},
        warnings=tuple(warnings),
    )
