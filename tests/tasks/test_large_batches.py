"""The largest batch of a training against counts over the batches that ESPnet makes."""

import argparse
import logging

import pytest

from espnet_plugin.tasks.batches import largest_batch, warn_of_large_batches

# Short commands and a few long dictations, with tokens of 30 dimensions.
SPEECH = {f"word{i:02d}": 16000 + 100 * i for i in range(80)}
SPEECH |= {f"talk{i}": 240000 + 7000 * i for i in range(8)}
TOKENS = {name: (5 if name[0] == "w" else 200) for name in SPEECH}
# A corpus in which lengths differ little.
EVEN = {f"utterance{i:02d}": 30000 + 500 * i for i in range(80)}


@pytest.fixture
def options(tmp_path):
    """Return a function for ESPnet's options of a training on two lists of lengths."""

    def parse(speech=SPEECH, **values):
        lengths = tmp_path / "speech_shape"
        lengths.write_text("".join(f"{n} {x}\n" for n, x in speech.items()))
        tokens = tmp_path / "text_shape"
        tokens.write_text("".join(f"{n} {TOKENS.get(n, 9)},30\n" for n in speech))
        given = dict(
            batch_type="numel",
            batch_bins=1600000,
            batch_size=32,
            fold_length=[80000, 150],
            min_batch_size=1,
            sort_in_batch="descending",
            sort_batch="descending",
            drop_last_iter=False,
            shuffle_within_batch=False,
            iterator_type="sequence",
            train_shape_file=[str(lengths), str(tokens)],
        )
        return argparse.Namespace(**{**given, **values})

    return parse


def warnings_of(args, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_large_batches(args)
    return [record.getMessage() for record in caplog.records]


def test_numel_adds_the_utterance_that_exceeds_the_limit(options):
    found = largest_batch(options(batch_bins=2000000))
    # 80 short utterances have 80 * (23900 + 5 * 30) = 1.9 million elements. One more,
    # which is long, is the first that exceeds 2 million: all are padded to it.
    assert (found.utterances, found.longest) == (81, "talk0")
    assert (found.shortest_length, found.longest_length) == (16000, 240000)
    assert found.times == pytest.approx(81 * (240000 + 200 * 30) / 2000000)


def test_length_counts_steps(options):
    found = largest_batch(options(batch_type="length", batch_bins=2000000))
    assert found.times == pytest.approx(found.utterances * (240000 + 200) / 2000000)
    assert found.utterances == 81


def test_folded_follows_the_shortest_utterance(options):
    found = largest_batch(options(batch_type="folded", batch_size=64))
    # After a batch of 64 short utterances come 16 short and all 8 long ones. The
    # longest has 289000 samples, 3 folds of 80000, so 64 // (1 + 3) = 16 are asked for.
    assert (found.utterances, found.longest) == (24, "talk7")
    assert found.times == 24 / 16


@pytest.mark.parametrize(
    "values, words",
    [
        (dict(batch_bins=2000000), "batch_bins 2000000: the largest batch has 10.0 "),
        (dict(batch_type="folded", batch_size=88), "batch_size 88: the largest batch"),
    ],
)
def test_a_warning_names_the_option_and_the_utterance(options, caplog, values, words):
    (said,) = warnings_of(options(**values), caplog)
    assert said.startswith(words)
    assert "talk" in said and "leave out the longest utterances" in said


@pytest.mark.parametrize(
    "values",
    [
        dict(speech=EVEN),
        dict(speech=EVEN, batch_type="length"),
        dict(speech=EVEN, batch_type="folded"),
        dict(batch_type="sorted"),
        dict(batch_type="unsorted"),
        # One utterance alone is as small as a batch can be.
        dict(batch_bins=1000),
        # ... and so are the two that are demanded.
        dict(speech=EVEN, batch_bins=1000, min_batch_size=2),
        dict(iterator_type="chunk", batch_bins=2000000),
        dict(train_shape_file=[], batch_bins=2000000),
    ],
)
def test_nothing_is_said_of_ordinary_batches(options, caplog, values):
    assert warnings_of(options(**values), caplog) == []


def test_batches_of_one_size_are_warned_of(options, caplog):
    (said,) = warnings_of(options(shuffle_within_batch=True), caplog)
    assert said.startswith("shuffle_within_batch true: with batch_type numel")
    args = options(shuffle_within_batch=True, batch_type="sorted")
    caplog.clear()
    assert warnings_of(args, caplog) == []
