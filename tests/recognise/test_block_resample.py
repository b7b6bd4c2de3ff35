"""Resampling in blocks against resampling the whole."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from espnet_plugin.recognise.resample import resample_blocks


@pytest.mark.parametrize("seed", range(8))
def test_blocks_of_any_length(seed):
    rng = np.random.default_rng(seed)
    rate, wanted = rng.choice([7000, 8000, 11025, 44100, 16000], 2, replace=False)
    signal = rng.standard_normal(int(rng.integers(1, 9000))).astype(np.float32)
    cuts = np.sort(rng.integers(0, len(signal) + 1, size=7))
    blocks = np.split(signal, cuts)
    found = np.concatenate(list(resample_blocks(blocks, int(rate), int(wanted))))
    common = np.gcd(rate, wanted)
    expected = resample_poly(
        signal.astype(np.float64), int(wanted // common), int(rate // common)
    )
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
