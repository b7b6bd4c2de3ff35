"""A folder that sherpa-onnx's own programs run."""

from typing import Sequence

import numpy as np
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.export.facts import ModelFacts
from espnet_plugin.export.graph.omnilingual import EPSILON, OmnilingualRecogniser
from espnet_plugin.export.ports import NEVER, Port, SamplesPort
from espnet_plugin.export.sherpa_kaldi import zipformer_target
from espnet_plugin.export.scripts import RUNNERS
from espnet_plugin.export.source import Source
from espnet_plugin.export.targets import Target

__all__ = ["sherpa_target", "sherpa_tokens", "taken_for_byte_bpe"]

_RATE = 16000
_FRAME_MS = 20.0
_SPACE = "\u2581"
_END = "</s>"
_UNKNOWN = "<unk>"
# The highest byte of a vocabulary that sherpa-onnx takes for byte-level BPE.
_BYTE_BPE = 0xC6
_LEAST_SAME = 0.95
# Of log-probabilities: the level of the audio is only known to some digits.
_TOLERANCE = 1e-3

_NO_OFFSET = (
    "sherpa-onnx subtracts the mean of each recording before the model gets it: "
    "exact for audio without a constant offset, approximate otherwise"
)

_RUN = """\
    pip install numpy soundfile sherpa-onnx
    python run_sherpa.py FILE...

sherpa-onnx's command line:

    sherpa-onnx-offline --omnilingual-asr-model=model.onnx --tokens=tokens.txt FILE.wav
"""


class OmnilingualPort(Port):
    """Normalised samples ``(1, S)`` to log-probabilities, for one utterance.

    Args:
        repeat: Rows per frame.
        never: Numbers of tokens that must not win.
    """

    def __init__(self, repeat: int, never: tuple[int, ...]):
        super().__init__(
            "samples",
            ("x",),
            ("log_probs",),
            {"x": {0: "batch", 1: "samples"}, "log_probs": {0: "batch", 1: "rows"}},
            batches=False,
            masked=never,
            tolerance=_TOLERANCE,
            least_same=_LEAST_SAME,
        )
        object.__setattr__(self, "repeat", repeat)

    def build(self, source: Source) -> torch.nn.Module:
        return OmnilingualRecogniser(
            SamplesPort().build(source),
            self.repeat,
            self.masked,
            len(source.facts.tokens),
            NEVER,
        )

    def example(self, facts: ModelFacts) -> tuple[torch.Tensor, ...]:
        return (torch.randn(1, 24000),)

    def feed(self, speech: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        (samples,) = speech
        wide = samples.astype(np.float64)
        wide = (wide - wide.mean()) / np.sqrt(wide.var() + EPSILON)
        return {"x": wide.astype(np.float32)[None]}

    def read(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [outputs[0][0, :: self.repeat]]


def sherpa_target(source: Source, kind: str = "omnilingual") -> Target:
    """Return the target of sherpa-onnx's offline programs.

    Of its kinds ``omnilingual``, because it alone takes audio, so the features are
    exactly the model's own; the others compute features of their own kinds.

    Args:
        source: The model.
        kind: ``omnilingual``, or ``zipformer_ctc`` for a model of Kaldi's filter banks.

    Raises:
        UserError: If the model takes features, has another rate than 16 kHz, or tokens
            that sherpa-onnx would misread.
    """
    facts = source.facts
    if facts.front_end is None:
        raise UserError(
            f"{facts.experiment} takes features of an unknown kind, but sherpa-onnx "
            "computes its own; if it was trained with --feats_type fbank, give "
            "--fbank_rate 16000"
        )
    tokens = sherpa_tokens(facts)
    never = [n for n, token in enumerate(facts.tokens) if token == _UNKNOWN]
    never += [number for number in facts.drop if tokens[number] != _END]
    if kind == "zipformer_ctc":
        return zipformer_target(source, tokens, tuple(never))
    if facts.sample_rate != _RATE:
        raise UserError(
            f"{facts.experiment} takes audio at {facts.sample_rate} Hz; sherpa-onnx's "
            f"model type for raw audio needs {_RATE} Hz. Use --target onnx"
        )
    repeat = max(1, round(facts.frame_ms / _FRAME_MS))
    warnings = [_NO_OFFSET]
    if repeat * _FRAME_MS != facts.frame_ms:
        warnings.append(
            f"one frame is {facts.frame_ms:g} ms, but sherpa-onnx assumes "
            f"{repeat * _FRAME_MS:g}: the times it gives for tokens are wrong by the "
            f"factor {repeat * _FRAME_MS / facts.frame_ms:.3g}; texts are right"
        )
    return Target(
        name="sherpa-onnx",
        port=OmnilingualPort(repeat, tuple(never)),
        tokens=tokens,
        runner=RUNNERS / "run_sherpa.py",
        run=_RUN,
        needs="sherpa_onnx",
        meta={"sherpa_kind": "omnilingual", "rows_per_frame": repeat},
        warnings=tuple(warnings),
    )


def sherpa_tokens(facts: ModelFacts) -> tuple[str, ...]:
    """Return the tokens as sherpa-onnx prints the same text from them.

    A piece that begins with U+2581 begins a word there; ``</s>`` is not printed.

    Raises:
        UserError: Naming a token that it would drop or misread.
    """
    apart = facts.token_type in (None, "word")
    special = {facts.blank, *facts.drop}
    tokens = []
    for number, token in enumerate(facts.tokens):
        if facts.drop and number == facts.drop[-1]:
            token = _END
        elif token == "<space>":
            token = _SPACE
        elif apart and number not in special and token != _UNKNOWN:
            token = _SPACE + token
        tokens.append(token)
    for number, token in enumerate(tokens):
        where = f"{facts.experiment}: token {number}, {facts.tokens[number]!r},"
        way_out = "use --target onnx, or train with another token list"
        if not token or any(c.isspace() for c in token):
            raise UserError(
                f"{where} is empty or has white space in it, which sherpa-onnx's "
                f"tokens.txt cannot hold: {way_out}"
            )
        if token == "SIL":
            raise UserError(f"{where} would be left out by sherpa-onnx: {way_out}")
        if token in tokens[:number]:
            raise UserError(
                f"{where} would be in tokens.txt twice (as {token!r}): {way_out}"
            )
        if token.startswith("<0x") and token.endswith(">"):
            raise UserError(
                f"{where} is a byte, which sherpa-onnx joins differently from "
                f"sentencepiece: {way_out}"
            )
    if taken_for_byte_bpe(tokens):
        raise UserError(
            f"{facts.experiment}: sherpa-onnx would take these tokens for byte-level "
            "BPE, because the highest byte of the list is 0xC6 (from a letter "
            "between U+0180 and U+01BF), and letters would be lost: use --target "
            "onnx, or train with a token list that has <space> or BPE pieces"
        )
    return tuple(tokens)


def taken_for_byte_bpe(tokens: Sequence[str]) -> bool:
    """Tell whether sherpa-onnx guesses that a vocabulary is of byte-level BPE."""
    return max(byte for token in tokens for byte in token.encode()) == _BYTE_BPE
