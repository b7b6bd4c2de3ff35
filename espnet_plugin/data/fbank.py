"""Kaldi's filter banks, the same in stage 2, in ESPnet and on a device."""

import numpy as np
import torch
import torchaudio

__all__ = ["kaldi_fbank"]


def kaldi_fbank(samples: np.ndarray, fs: int, num_mel_bins: int) -> np.ndarray:
    """Return Kaldi's log-mel filter banks, ``(frames, num_mel_bins)`` float32.

    There is no dither, so that features are the same every time. Samples are scaled to
    the range of 16-bit integers, as in Kaldi and sherpa-onnx.
    """
    features = torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(samples)[None] * 32768.0,
        num_mel_bins=num_mel_bins,
        sample_frequency=fs,
        dither=0.0,
        snip_edges=False,
    )
    return features.numpy()
