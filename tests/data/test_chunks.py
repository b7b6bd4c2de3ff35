"""Dropping pieces of time, against the pieces themselves."""

import numpy as np
import pytest

from espnet_plugin.data.chunks import ChunkDropper, drop_chunks


def pieces(kept, chunk):
    """The numbers of the chunks of arange that are left, each whole and in order."""
    firsts = kept[::chunk]
    assert np.array_equal(kept, np.concatenate([f + np.arange(chunk) for f in firsts]))
    return (firsts // chunk).tolist()


@pytest.mark.parametrize(
    "keep, left", [(1.0, 10), (0.7, 7), (0.5, 5), (0.05, 1), (0.96, 10)]
)
def test_so_many_whole_chunks_stay_in_order(keep, left):
    kept = drop_chunks(np.arange(40), keep, 4, np.random.default_rng(1))
    numbers = pieces(kept, 4)
    assert len(numbers) == left and numbers == sorted(set(numbers))


def test_what_is_no_whole_chunk_stays_and_so_does_the_given_array():
    given = np.arange(23)
    for seed in range(20):
        kept = drop_chunks(given, 0.5, 10, np.random.default_rng(seed))
        assert len(kept) == 13 and kept[-3:].tolist() == [20, 21, 22]
    assert np.array_equal(drop_chunks(given, 0.1, 24), given)
    assert np.array_equal(given, np.arange(23))


def test_every_chunk_is_as_likely():
    random = np.random.default_rng(0)
    counts = np.zeros(5)
    for _ in range(2000):
        counts[pieces(drop_chunks(np.arange(10), 0.6, 2, random), 2)] += 1
    # 0.6 of 2000, five standard deviations either way
    assert np.all(np.abs(counts - 1200) < 5 * np.sqrt(2000 * 0.6 * 0.4))


def test_frames_of_features_lose_whole_frames():
    frames = np.arange(24).reshape(12, 2)
    kept = drop_chunks(frames, 0.5, 3, np.random.default_rng(1))
    assert kept.shape == (6, 2) and np.array_equal(kept[:, 1], kept[:, 0] + 1)


def test_only_the_speech_is_cut():
    def preprocess(uid, data):
        return {**data, "text": np.array([1, 2, 3])}

    np.random.seed(0)
    data = ChunkDropper(preprocess, 0.5, 100)("a", {"speech": np.ones(1000)})
    assert data["speech"].shape == (500,) and data["text"].tolist() == [1, 2, 3]
    alone = ChunkDropper(None, 0.5, 100)("a", {"speech": np.ones(1000)})
    assert alone["speech"].shape == (500,)
