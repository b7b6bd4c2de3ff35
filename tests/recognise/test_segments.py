"""Cutting long audio: nothing is lost, nothing is too long, pauses are found."""

import numpy as np
import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recognise.segments import Segmenter, quietest

RATE = 8000


def speech(spans, seconds, noise=0.001, seed=0):
    """Noise that is loud in ``spans`` (seconds) and faint elsewhere."""
    rng = np.random.default_rng(seed)
    signal = noise * rng.standard_normal(int(seconds * RATE))
    for begin, end in spans:
        part = slice(int(begin * RATE), int(end * RATE))
        signal[part] = 0.2 * rng.standard_normal(len(signal[part]))
    return signal.astype(np.float32)


def in_blocks(signal, seed=0):
    rng, place = np.random.default_rng(seed), 0
    while place < len(signal):
        size = int(rng.integers(1, 3 * RATE))
        yield signal[place : place + size]
        place += size


def cuts(pieces):
    return [piece.start / RATE for piece in pieces[1:]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seconds", [0.5, 10.0, 10.001, 47.3])
def test_the_pieces_are_the_signal(seed, seconds):
    signal = speech([(1, 4), (5, 9), (9.5, 30)], seconds, seed=seed)
    pieces = list(Segmenter(RATE, 10.0).split(in_blocks(signal, seed)))
    assert np.array_equal(np.concatenate([p.samples for p in pieces]), signal)
    lengths = [len(piece.samples) for piece in pieces]
    assert max(lengths) <= 10 * RATE
    assert [p.start for p in pieces] == [sum(lengths[:i]) for i in range(len(pieces))]
    # Sooner than half the most it never cuts.
    assert all(length >= 5 * RATE for length in lengths[:-1])
    # What is short enough is left whole.
    assert (len(pieces) == 1) == (seconds <= 10)


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.05])
def test_cuts_lie_in_the_pauses(noise):
    """Pauses of 0.4 s at 7.0 and 15.0 s; the decoys are too early or too short."""
    talk = [(0.2, 3), (3.6, 7), (7.4, 9.0), (9.08, 15), (15.4, 20)]
    pieces = list(Segmenter(RATE, 10.0).split(in_blocks(speech(talk, 20, noise))))
    first, second = cuts(pieces)
    # In the middle, up to the smoothing.
    assert first == pytest.approx(7.2, abs=0.1)
    assert second == pytest.approx(15.2, abs=0.1)


def test_the_longest_of_several_pauses_is_taken():
    talk = [(0, 6), (6.3, 7), (7.9, 9), (9.3, 14)]
    (first,) = cuts(list(Segmenter(RATE, 10.0).split([speech(talk, 14)])))
    assert first == pytest.approx(7.45, abs=0.1)


def test_the_blocks_do_not_matter():
    signal = speech([(0, 4), (4.5, 8), (8.2, 30)], 30)
    whole = list(Segmenter(RATE, 6.0).split([signal]))
    parts = list(Segmenter(RATE, 6.0).split(in_blocks(signal, 3)))
    assert cuts(whole) == cuts(parts)


def test_digital_silence_and_endless_noise_are_cut_too():
    for signal in (np.zeros(25 * RATE, np.float32), speech([(0, 25)], 25)):
        pieces = list(Segmenter(RATE, 10.0).split([signal]))
        assert sum(len(p.samples) for p in pieces) == len(signal)
        assert max(len(p.samples) for p in pieces) <= 10 * RATE


def test_nothing_in_nothing_out():
    assert list(Segmenter(RATE, 10.0).split([])) == []


def test_the_quietest_stretch():
    assert quietest(np.array([0.0, -50, -49, -48, 0, -51, -51, 0])) == 2
    # Of equals the last, and half-way between two.
    assert quietest(np.array([-50.0, 0, -50, 0])) == 2
    assert quietest(np.array([0.0, -50, -50, 0])) == 1.5
    assert quietest(np.array([-3.0])) == 0


def test_too_short_a_limit():
    for seconds in (0.5, float("nan")):
        with pytest.raises(UserError, match=f"--max_segment_seconds {seconds}"):
            Segmenter(RATE, seconds)
