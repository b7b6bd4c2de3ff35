"""Parsers take whole names only, and name the nearest right spelling."""

import argparse

import pytest

from espnet_plugin.exact_parser import ExactParser, make_exact
from espnet_plugin.suggest import did_you_mean


def add_options(parser):
    parser.add_argument("--max_epoch", type=int)
    parser.add_argument("--how", choices=["nested", "spaced"])
    return parser


PARSERS = [
    lambda: add_options(ExactParser(prog="tool")),
    # One that was made elsewhere, as ESPnet's are.
    lambda: make_exact(add_options(argparse.ArgumentParser(prog="tool"))),
]


@pytest.mark.parametrize("make", PARSERS)
@pytest.mark.parametrize(
    "given, said",
    [
        ("--max_epok 3", "unknown option --max_epok 3; did you mean --max_epoch?"),
        ("--max_epok=3", "unknown option --max_epok 3; did you mean --max_epoch?"),
        # argparse itself would set max_epoch.
        ("--max_ep 3", "unknown option --max_ep 3; did you mean --max_epoch?"),
        ("--zzz", "unknown option --zzz (see tool --help)"),
        ("--how nestd", "invalid choice: 'nestd'"),
        ("--how nestd", "did you mean nested?"),
        ("--max_epoch x", "--max_epoch: invalid int value: 'x'"),
        ("3", "unexpected words: 3"),
    ],
)
def test_one_line_and_status_2(make, given, said, capsys):
    with pytest.raises(SystemExit) as ended:
        make().parse_args(given.split())
    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in message and message.count("\n") == 1


@pytest.mark.parametrize("make", PARSERS)
def test_right_options_are_taken(make):
    parsed = make().parse_args("--max_epoch 3 --how spaced".split())
    assert (parsed.max_epoch, parsed.how) == (3, "spaced")


@pytest.mark.parametrize(
    "given, meant",
    [("scratsh", "scratch"), ("KL", "kl"), ("clop", "clip"), ("qqqq", None)],
)
def test_the_nearest_word(given, meant):
    said = did_you_mean(given, ["scratch", "kl", "mse", "clip"])
    assert said == ("" if meant is None else f"; did you mean {meant}?")
