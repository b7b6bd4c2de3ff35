"""What a device has to know of a model besides its network."""

from dataclasses import dataclass
from typing import Optional

__all__ = ["DEFAULT_FRONT_END", "KALDI_FRONT_END", "ModelFacts"]

DEFAULT_FRONT_END = "default"
KALDI_FRONT_END = "kaldi_fbank"
_FEATURE_SHIFT_MS = 10.0


@dataclass(frozen=True)
class ModelFacts:
    """A model as its export describes it.

    Attributes:
        experiment: Name of its folder.
        checkpoint: Name of the checkpoint's file.
        checkpoint_sha256: SHA-256 of that file.
        encoder: ESPnet's name of the encoder.
        layers: Number of encoder layers.
        parameters: Values of the encoder and the CTC layer.
        front_end: What computes features, one of the two names above; None: unknown,
            the model takes features.
        feature_dim: Numbers per feature frame.
        sample_rate: Sampling rate in Hz; None if the front end is unknown.
        hop: Samples per feature frame; None: unknown.
        stride: Feature frames per frame of the encoder.
        tokens: Symbols of the CTC layer by number.
        blank: Number of the blank.
        drop: Numbers of tokens that are no text, e.g. ``<sos/eos>``.
        token_type: ESPnet's; None: tokens are words.
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

    @property
    def frame_ms(self) -> float:
        """Milliseconds per frame of the encoder (at 10 ms per feature if unknown)."""
        if self.hop is None or self.sample_rate is None:
            return self.stride * _FEATURE_SHIFT_MS
        return 1000.0 * self.stride * self.hop / self.sample_rate
