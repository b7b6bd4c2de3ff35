"""Log-mel features of audio as it arrives."""

import copy

import torch

from espnet_plugin.errors import UserError

__all__ = ["StreamingFeatures"]


class StreamingFeatures:
    """Computes the features of ESPnet's front end piece by piece.

    ESPnet's frames are centred: the signal is mirrored at both ends by half a window.
    The beginning can be mirrored as soon as half a window has arrived, the end when the
    utterance ends, so the features are the same as for the whole utterance, up to
    rounding. The only exception is an utterance of at most half a window (16 ms with
    ``n_fft: 512`` at 16 kHz), which cannot be mirrored: torch refuses it, and this
    class returns no frames.

    Args:
        frontend: ESPnet's ``DefaultFrontend``, which is copied.
        normalize: ESPnet's ``GlobalMVN``, or None.

    Attributes:
        sample_rate: Sampling rate in Hz.

    Raises:
        UserError: If one of them needs the whole utterance.
    """

    def __init__(self, frontend, normalize=None):
        if getattr(frontend, "stft", None) is None or not hasattr(frontend, "logmel"):
            raise UserError(
                f"frontend {type(frontend).__name__}: only ESPnet's `frontend: "
                "default` can be computed while samples arrive"
            )
        if normalize is not None and not hasattr(normalize, "stats_file"):
            raise UserError(
                f"normalize {type(normalize).__name__}: needs the whole utterance: "
                "train with `normalize: global_mvn` or none"
            )
        self._frontend = copy.deepcopy(frontend).eval()
        self._normalize = normalize
        stft = self._frontend.stft
        self.sample_rate = int(self._frontend.logmel.mel_options["sr"])
        self._window, self._hop = stft.n_fft, stft.hop_length
        self._half = self._window // 2 if stft.center else 0
        stft.center = False  # the mirroring is done here
        if self._hop > self._window:
            raise UserError(
                f"hop_length {self._hop}: must not exceed n_fft {self._window}"
            )
        self._melmat = self._frontend.logmel.melmat
        self.reset()

    def reset(self) -> None:
        """Begin the next utterance."""
        self._started = self._half == 0
        # Samples from the start of the next frame, and the last half window.
        self._waiting = self._melmat.new_zeros(0)
        self._recent = self._melmat.new_zeros(0)

    @torch.no_grad()
    def accept(self, samples: torch.Tensor, last: bool = False) -> torch.Tensor:
        """Add samples and return the frames that are complete.

        Args:
            samples: ``(samples,)`` with any number of samples.
            last: Whether the utterance ends here.

        Returns:
            ``(1, frames, features)``.
        """
        samples = samples.to(self._melmat)
        half = self._half
        self._waiting = torch.cat([self._waiting, samples])
        self._recent = torch.cat([self._recent, samples])[-(half + 1) :]
        if not self._started and len(self._waiting) > half:
            mirrored = self._waiting[1 : half + 1].flip(0)
            self._waiting = torch.cat([mirrored, self._waiting])
            self._started = True
        if last and self._started and half:
            mirrored = self._recent[:-1].flip(0)
            self._waiting = torch.cat([self._waiting, mirrored])
        frames = 0
        if self._started and len(self._waiting) >= self._window:
            frames = (len(self._waiting) - self._window) // self._hop + 1
        if frames == 0:
            return self._melmat.new_zeros(1, 0, self._melmat.shape[1])
        piece = self._waiting[: (frames - 1) * self._hop + self._window]
        self._waiting = self._waiting[frames * self._hop :]
        features, lengths = self._frontend(
            piece[None], torch.tensor([len(piece)], device=piece.device)
        )
        if self._normalize is not None:
            features, lengths = self._normalize(features, lengths)
        return features
