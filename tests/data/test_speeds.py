"""Copies of the training audio at other speeds."""

from math import pi

import numpy as np
import pytest
import torch
import torchaudio

from espnet_plugin.data.utterance import at_speed


@pytest.mark.parametrize("fs", [8000, 16000])
@pytest.mark.parametrize("factor", [0.85, 0.9, 0.925, 1.075, 1.1, 1.15])
def test_same_samples_as_torchaudio(fs, factor):
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=4001)).float()
    expected, _ = torchaudio.functional.speed(noise, fs, factor)
    assert np.array_equal(at_speed(noise.numpy(), factor), expected.numpy())


@pytest.mark.parametrize("factor", [0.1, 0.9, 1.1, 0.97, 1 / 3, 10])
def test_a_tone_changes_its_frequency(factor):
    """At 11025 Hz, where 1.1 times the rate is no whole number."""

    def tone(frequency, length):
        return np.sin(2 * pi * frequency * np.arange(length) / 11025)

    made = at_speed(tone(100, 20000).astype(np.float32), factor)
    assert abs(len(made) - 20000 / factor) < 20
    inner = slice(200, -200)  # at the ends the filter lacks half of its input
    assert np.abs(made - tone(100 * factor, len(made)))[inner].max() < 0.02


def test_what_the_rate_cannot_hold_is_removed():
    """A faster copy must not have it at a wrong frequency."""
    # Why: findings/pydub_resampling.sh.
    times = 2 * pi * np.arange(20000)
    # 0.45 of the rate becomes 0.675, and without a filter 0.325 at the same level.
    removed = at_speed(np.sin(0.45 * times).astype(np.float32), 1.5)
    assert np.abs(removed[200:-200]).max() < 0.02
    kept = at_speed(np.sin(0.2 * times).astype(np.float32), 1.5)
    assert np.abs(kept[200:-200]).max() > 0.9
