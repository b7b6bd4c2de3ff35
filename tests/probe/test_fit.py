"""Known cases: a layer with the answer, one of noise; together as each alone."""

import functools
import random

import pytest
import torch

from espnet_plugin.errors import UserError
from espnet_plugin.probe.fit import (
    LayerOutputs,
    fit_probes,
    needed_frames,
    token_errors,
)
from espnet_plugin.probe.options import ProbeOptions

TOKENS = 6
OPTIONS = ProbeOptions(epochs=8, batch_size=8, learning_rate=0.1, seed=1)


def sentences(number, seed):
    drawn = random.Random(seed)
    return [
        [drawn.randrange(1, TOKENS - 1) for _ in range(drawn.randrange(2, 6))]
        for _ in range(number)
    ]


def layers_of(targets, seed):
    """Noise; the answer; the answer rotated, scaled and moved."""
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.randn(TOKENS, TOKENS, generator=torch.Generator().manual_seed(9))
    rotation = torch.linalg.qr(rotation).Q
    one_hot = torch.eye(TOKENS)

    def encode(indices):
        paths = [[t for x in targets[i] for t in (x, x, 0)] for i in indices]
        lengths = torch.tensor([len(path) for path in paths])
        answer = torch.zeros(len(paths), int(lengths.max()), TOKENS)
        for row, path in enumerate(paths):
            answer[row, : len(path)] = one_hot[path]
        noise = torch.randn(answer.shape, generator=generator)
        return LayerOutputs([noise, answer, 70.0 * answer @ rotation + 20.0], lengths)

    return encode


def fit(train, dev, only=None, options=OPTIONS, drop=()):
    encoders = [layers_of(train, 1), layers_of(dev, 2)]
    if only is not None:
        encoders = [functools.partial(chosen, one, only) for one in encoders]
    return fit_probes(encoders[0], train, encoders[1], dev, TOKENS, options, drop)


def chosen(encode, layer, indices):
    outputs = encode(indices)
    return LayerOutputs([outputs.layers[layer]], outputs.lengths)


def test_a_layer_with_the_answer_has_no_errors_and_noise_has():
    train, dev = sentences(64, 1), sentences(20, 2)
    noise, answer, rotated = fit(train, dev)
    assert [one.layer for one in (noise, answer, rotated)] == [1, 2, 3]
    assert answer.errors == rotated.errors == 0 and answer.rate == 0.0
    assert noise.rate > 60.0
    assert noise.tokens == answer.tokens == sum(map(len, dev))
    assert noise.rate == pytest.approx(100.0 * noise.errors / noise.tokens)
    assert answer.train_loss < 1.0 < noise.train_loss


def test_a_probe_learns_the_same_alone():
    train, dev = sentences(24, 3), sentences(10, 4)
    together = fit(train, dev)
    for layer, one in enumerate(together):
        (alone,) = fit(train, dev, only=layer)
        assert (alone.errors, alone.tokens) == (one.errors, one.tokens)
        assert alone.train_loss == pytest.approx(one.train_loss, rel=1e-6)


def test_the_same_seed_gives_the_same():
    train, dev = sentences(24, 3), sentences(10, 4)
    torch.manual_seed(1)
    one = fit(train, dev)
    torch.manual_seed(2)
    assert fit(train, dev) == one
    other = ProbeOptions(8, 8, 0.1, seed=2)
    assert fit(train, dev, options=other)[0].train_loss != one[0].train_loss


def test_tokens_that_do_not_count_are_left_out():
    """A token that transcripts never have is learnt here, and then dropped."""
    train, dev = sentences(64, 1), sentences(20, 2)
    end = TOKENS - 1
    marked = [[*one, end] for one in train]
    heard = [[*one, end] for one in dev]

    def errors(drop):
        encoders = layers_of(marked, 1), layers_of(heard, 2)
        scores = fit_probes(
            encoders[0], marked, encoders[1], dev, TOKENS, OPTIONS, drop
        )
        return scores[1].errors

    assert errors([end]) == 0 and errors([]) == len(dev)


def test_utterances_that_are_too_short_teach_nothing():
    train, dev = sentences(16, 5), sentences(6, 6)
    encode = layers_of(train, 1)

    def with_short_ones(indices):
        outputs = encode([index % 16 for index in indices])
        short = torch.tensor([index >= 16 for index in indices])
        return LayerOutputs(outputs.layers, outputs.lengths.masked_fill(short, 1))

    more = [*train, *([1, 1, 2] for _ in range(5))]
    options = ProbeOptions(3, 32, 0.1)
    arguments = (layers_of(dev, 2), dev, TOKENS, options)
    one = fit_probes(with_short_ones, more, *arguments)
    two = fit_probes(layers_of(train, 1), train, *arguments)
    assert one[1].train_loss == pytest.approx(two[1].train_loss)
    assert one[1].errors == two[1].errors


def test_nothing_to_learn_from_and_nothing_to_count_are_refused():
    train, dev = sentences(4, 1), sentences(3, 2)

    def nothing(indices):
        empty = torch.zeros(len(indices), 0, 3)
        return LayerOutputs([empty], torch.zeros(len(indices), dtype=torch.long))

    with pytest.raises(UserError, match="no training utterance has as many"):
        fit_probes(nothing, train, layers_of(dev, 2), dev, TOKENS)
    with pytest.raises(UserError, match="no training utterance"):
        fit_probes(nothing, [], layers_of(dev, 2), dev, TOKENS)
    with pytest.raises(UserError, match="dev: no utterance has a token"):
        fit_probes(layers_of(train, 1), train, nothing, [[], []], TOKENS)

    def broken(indices):
        outputs = layers_of(train, 1)(indices)
        return LayerOutputs([x * float("nan") for x in outputs.layers], outputs.lengths)

    with pytest.raises(UserError, match="losses.*nan.*lower the learning rate"):
        fit_probes(broken, train, layers_of(dev, 2), dev, TOKENS)


@pytest.mark.parametrize(
    "given, named",
    [
        (dict(epochs=0), "epochs 0"),
        (dict(batch_size=0), "batch_size 0"),
        (dict(learning_rate=0.0), "learning_rate 0.0"),
        (dict(learning_rate=float("nan")), "learning_rate nan"),
    ],
)
def test_impossible_options_are_refused(given, named):
    with pytest.raises(UserError, match=named):
        ProbeOptions(**given)


def slow_errors(a, b):
    """The definition, by recursion."""
    if not a or not b:
        return len(a) + len(b)
    rest = slow_errors(a[1:], b[1:]) + (a[0] != b[0])
    return min(rest, slow_errors(a[1:], b) + 1, slow_errors(a, b[1:]) + 1)


def test_token_errors_against_the_definition():
    drawn = random.Random(0)
    for _ in range(60):
        a, b = ([drawn.randrange(12) for _ in range(drawn.randrange(6))] for _ in "ab")
        assert token_errors(a, b) == slow_errors(a, b), (a, b)
    assert token_errors([1, 11], [11, 1]) == 2  # whole tokens, not digits


def test_needed_frames():
    assert [needed_frames(x) for x in ([], [3], [3, 4, 3], [3, 3, 3])] == [0, 1, 3, 5]
