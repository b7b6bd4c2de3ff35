"""The whole table of wrong values, thrown at every option of every command."""

import argparse
import importlib
import pkgutil

import pytest

from espnet_plugin import bin as commands
from espnet_plugin.bin.arguments import number, text, whole

NOT_NUMBERS = ["", " ", "x", "1x", "0x10", "nan", "NaN", "1,5", "٣x", "1 2"]
TOO_LARGE = ["1e999", "inf", "-inf", "9" * 40, "-" + "9" * 40]
# Wrong for every whole number there is, wherever its range begins.
WRONG_WHOLE = [*NOT_NUMBERS, *TOO_LARGE, "-1", "1.5", "1e3", "9" * 12]
WRONG_NUMBER = [*NOT_NUMBERS, *TOO_LARGE, "-1", "-0.5"]
# What a type or a list of choices is declared with, by what it is.
FREE = (argparse._StoreTrueAction, argparse._StoreFalseAction, argparse._HelpAction)


def parsers():
    """Return the parser of every command that declares its own options."""
    found = {}
    for module in pkgutil.iter_modules(commands.__path__):
        get_parser = getattr(
            importlib.import_module(f"{commands.__name__}.{module.name}"),
            "get_parser",
            None,
        )
        # ESPnet declares the options of its training.
        if get_parser is not None and module.name != "asr_train":
            found[module.name] = get_parser()
    return found


@pytest.fixture(scope="module")
def options():
    """Return ``(command, option)`` of all options that take a value."""
    return [
        (name, action)
        for name, parser in parsers().items()
        for action in parser._actions
        if not isinstance(action, FREE)
    ]


def wrong_values(action):
    """Return values that an option cannot have, None where any text will do."""
    if action.choices is not None:
        return [
            "",
            "no_such_choice",
            "x" * 300,
            *map(str.upper, map(str, action.choices)),
        ]
    kind = getattr(action.type, "__qualname__", "")
    if kind.startswith("whole.") or kind == "token_count":
        return WRONG_WHOLE
    if kind.startswith("number."):
        return WRONG_NUMBER
    if kind.startswith("text."):
        return ["x" * 300, "a\nb", "a\tb", "a\0b"]
    if kind.startswith("_line."):
        return ["x" * 300, "a\nb", "a\tb", "a\0b", "a|b"]
    return None


def refused(action, value):
    """Whether argparse refuses a value of one option, naming it."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    try:
        parsed = parser._get_values(action, [value])
    except argparse.ArgumentError as error:
        return str(error) != ""
    return parsed is None


def test_every_wrong_value_is_refused(options):
    tried, accepted = 0, []
    for command, action in options:
        for value in wrong_values(action) or ():
            if action.choices is not None and value in map(str, action.choices):
                continue
            tried += 1
            if not refused(action, value):
                accepted.append((command, action.dest, value))
    assert accepted == []
    print(f"{tried} wrong values at {len(options)} options")
    assert tried > 900


def test_defaults_are_shown_as_they_are_given(options):
    shown = [
        (name, action.option_strings, str(action.default))
        for name, action in options
        if isinstance(action.default, list) and action.default
    ]
    assert ("estimate", ["--sizes"], "6 4 2") in shown
    assert [one for one in shown if "Shape(" in one[2]] == []


def test_no_number_is_declared_without_its_range(options):
    bare = [(name, a.dest) for name, a in options if a.type in (int, float)]
    # A choice among few is a range.
    assert [one for one in bare if one != ("prepare_tedlium", "release")] == []


@pytest.mark.parametrize(
    "kind, good",
    [
        (whole(0), {"0": 0, "17": 17, "1000000000": 10**9}),
        (whole(1, 10), {"1": 1, "10": 10}),
        (number(0), {"0": 0, "0.5": 0.5, "1e-3": 0.001, "7": 7}),
        (number(0, above=True), {"0.001": 0.001, "5": 5}),
        (text(), {"": "", "0.5 lr, größer": "0.5 lr, größer"}),
    ],
)
def test_right_values_are_taken(kind, good):
    assert {given: kind(given) for given in good} == good


@pytest.mark.parametrize(
    "kind, wrong, says",
    [
        (whole(1), "0", "'0': must be a whole number from 1$"),
        (whole(1, 10), "11", "from 1 to 10$"),
        (number(0, above=True), "0", "a number above 0$"),
        (number(0, 1), "1.01", "from 0 to 1$"),
        (text(5), "abcdef", "up|one line"),
        (text(5, empty=False), "", "1 to 5"),
    ],
)
def test_the_ends_of_a_range(kind, wrong, says):
    with pytest.raises(argparse.ArgumentTypeError, match=says):
        kind(wrong)
