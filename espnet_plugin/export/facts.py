"""Facts about a model that a device needs besides the network."""

from dataclasses import dataclass
from typing import Optional

__all__ = ["DEFAULT_FRONT_END", "KALDI_FRONT_END", "ModelFacts"]

DEFAULT_FRONT_END = "default"
KALDI_FRONT_END = "kaldi_fbank"
_FEATURE_SHIFT_MS = 10.0


@dataclass(frozen=True)
class ModelFacts:
    """Description of an exported model.

    Attributes:
        experiment: Name of its folder.
        checkpoint: Name of the checkpoint's file.
        checkpoint_sha256: SHA-256 of that file.
        encoder: ESPnet's name of the encoder.
        layers: Number of encoder layers.
        parameters: Number of parameters of encoder and CTC layer.
        front_end: The front end, one of the two names above; None if the model takes
            features of an unknown kind.
        feature_dim: Number of values per feature frame.
        sample_rate: Sampling rate in Hz; None if the front end is unknown.
        hop: Samples per feature frame; None if not known.
        stride: Feature frames per encoder frame.
        tokens: Symbols of the CTC layer by index.
        blank: Index of the blank.
        drop: Indices of tokens that are not text, e.g. ``<sos/eos>``.
        token_type: ESPnet's token type; None if tokens are words.
        first_frame_ms: Centre of the audio from which the encoder's first frame is
            computed, in milliseconds from the first sample; None if not known.
    """

    experiment: str
    checkpoint: str
    checkpoint_sha256: str
    encoder: str
    layers: int
    parameters: int
    front_end: Optional[str]
    feature_dim: int
    sample_rate: Optional[int]
    hop: Optional[int]
    stride: int
    tokens: tuple[str, ...]
    blank: int
    drop: tuple[int, ...]
    token_type: Optional[str]
    first_frame_ms: Optional[float] = None

    @property
    def frame_ms(self) -> float:
        """Milliseconds per frame of the encoder (at 10 ms per feature if unknown)."""
        if self.hop is None or self.sample_rate is None:
            return self.stride * _FEATURE_SHIFT_MS
        return 1000.0 * self.stride * self.hop / self.sample_rate
