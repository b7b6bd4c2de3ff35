"""A recogniser that takes samples as they arrive."""

from typing import Callable, NamedTuple, Optional, Sequence

import torch

from espnet_plugin.dual_mode.encoder import DualModeConformerEncoder
from espnet_plugin.dual_mode.features import StreamingFeatures
from espnet_plugin.dual_mode.streaming import StreamingState, initial_state
from espnet_plugin.dual_mode.transducer import GreedySearch, SearchState
from espnet_plugin.errors import UserError

__all__ = ["Recognised", "StreamingRecogniser"]


# Decoded compressed audio may slightly exceed 1; integers as floats exceed it by far.
_LOUDEST = 16.0


class Recognised(NamedTuple):
    """The result for an utterance so far.

    Attributes:
        text: Text from the beginning of the utterance.
        tokens: Tokens of the text.
        token_ids: Indices of the tokens.
        final: Whether the utterance has ended.
    """

    text: str
    tokens: Sequence[str]
    token_ids: Sequence[int]
    final: bool


class StreamingRecogniser:
    """Recognises samples by best-path CTC, or by greedy search with a transducer.

    The result only grows and never changes: every frame is decoded once, when its chunk
    is complete. The final text is the same as that of decoding the whole utterance in
    streaming mode.

    - [0] Connectionist Temporal Classification, 2006, section 3.2: best path.

    Args:
        model: An ``ESPnetASRModel`` with a transducer or CTC, a
            :class:`DualModeConformerEncoder` and ESPnet's default front end; it is set
            to evaluation mode.
        to_text: Function that converts tokens to text, e.g. ``tokens2text`` of ESPnet's
            tokenizer; None: tokens are joined by spaces.
        chunk_frames: Encoder frames per chunk; None: the first of the encoder's
            options.

    Raises:
        UserError: If a part of the model cannot stream.
    """

    def __init__(
        self,
        model,
        to_text: Optional[Callable[[list[str]], str]] = None,
        chunk_frames: Optional[int] = None,
    ):
        if not isinstance(model.encoder, DualModeConformerEncoder):
            raise UserError(
                f"encoder {type(model.encoder).__name__}: cannot stream: train with "
                "`encoder: dual_mode_conformer`"
            )
        for part in ("preencoder", "postencoder"):
            if getattr(model, part, None) is not None:
                raise UserError(f"{part}: it cannot stream; train without it")
        self._search: Optional[GreedySearch] = None
        if getattr(model, "use_transducer_decoder", False):
            self._search = GreedySearch(
                model.decoder, model.joint_network, int(model.blank_id)
            )
        elif getattr(model, "ctc", None) is None:
            raise UserError(
                "the model has no CTC layer: train with model_conf.ctc_weight above 0"
            )
        self._model = model.eval()
        self._features = StreamingFeatures(
            model.frontend, getattr(model, "normalize", None)
        )
        self._to_text = to_text or " ".join
        self._chunk_frames = chunk_frames
        self._blank = int(getattr(model, "blank_id", 0))
        # The same tokens as in decoding of whole files.
        self._drop = {
            int(getattr(model, name, self._blank))
            for name in ("blank_id", "sos", "eos")
        }
        self.reset()

    @property
    def sample_rate(self) -> int:
        """Sampling rate of the model in Hz."""
        return self._features.sample_rate

    def reset(self) -> None:
        """Begin the next utterance and clear the result."""
        self._features.reset()
        self._state: StreamingState = initial_state(
            self._model.encoder, chunk_frames=self._chunk_frames
        )
        self._tokens: list[int] = []
        self._previous = self._blank
        self._node: Optional[SearchState] = None

    @torch.no_grad()
    def accept(
        self, samples, sample_rate: Optional[int] = None, last: bool = False
    ) -> Recognised:
        """Add samples and return the result so far.

        Args:
            samples: One channel of floating-point samples in [-1, 1], ``(samples,)``: a
                tensor, an array or a list of any length, also 0.
            sample_rate: Their sampling rate in Hz, to be checked; None: not checked.
            last: Whether the utterance ends here. :meth:`reset` begins the next one.

        Raises:
            UserError: If the sampling rate differs from the model's, the samples are
                not one channel of finite floating-point numbers in this range, or the
                utterance has ended.
        """
        if self._state.ended:
            raise UserError("the utterance has ended: call reset() before the next one")
        if sample_rate is not None and sample_rate != self.sample_rate:
            raise UserError(
                f"sample_rate {sample_rate}: the model was trained on "
                f"{self.sample_rate} Hz: resample the audio first"
            )
        encoder = self._model.encoder
        features = self._features.accept(_checked(samples), last)
        features = features.to(self._state.features)
        frames, self._state = encoder.stream(features, self._state, last)
        if frames.shape[1]:
            self._decode(frames)
        tokens = [self._model.token_list[token] for token in self._tokens]
        return Recognised(self._to_text(tokens), tokens, list(self._tokens), last)

    def _decode(self, frames: torch.Tensor) -> None:
        if self._search is not None:
            tokens, _, self._node = self._search.advance(frames[0], self._node)
            self._tokens += tokens
            return
        for token in self._model.ctc.argmax(frames)[0].tolist():
            if token != self._previous and token not in self._drop:
                self._tokens.append(token)
            self._previous = token


def _checked(samples) -> torch.Tensor:
    samples = torch.as_tensor(samples)
    if samples.numel() == 0:
        return samples.flatten().float()
    if samples.dim() != 1:
        raise UserError(
            f"samples of shape {tuple(samples.shape)}: must be one channel, (samples,)"
        )
    if not samples.is_floating_point():
        raise UserError(
            f"samples of type {samples.dtype}: must be floating point in [-1, 1]; "
            "divide 16-bit numbers by 32768"
        )
    if not torch.isfinite(samples).all():
        raise UserError(
            "samples: some are not finite (NaN or infinite); correct the source"
        )
    if samples.abs().max() > _LOUDEST:
        raise UserError(
            f"samples up to {samples.abs().max().item():g}: must be in [-1, 1]; divide "
            "16-bit numbers by 32768"
        )
    return samples
