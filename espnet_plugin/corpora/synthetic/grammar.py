"""Random sentences: commands for a home and digit strings, with 37 different words."""

import random

__all__ = ["sentence"]

_DIGITS = "zero one two three four five six seven eight nine".split()
_HOURS = _DIGITS[1:]
_MINUTES = ["fifteen", "thirty", "forty", "fifty"]
_ROOMS = ["kitchen", "bedroom", "garden"]
_DEVICES = ["light", "heater", "fan", "radio"]
_CLOCKS = ["alarm", "timer"]
_OPENINGS = ["door", "window"]


def _digits(choose: random.Random) -> list[str]:
    return [choose.choice(_DIGITS) for _ in range(choose.randint(4, 7))]


def _switch(choose: random.Random) -> list[str]:
    verb, state = choose.choice(["turn", "switch"]), choose.choice(["on", "off"])
    thing = ["the", choose.choice(_ROOMS), choose.choice(_DEVICES)]
    # Both orders are correct; with the second, the end cannot be predicted from the
    # start.
    words = [verb, *thing, state] if choose.random() < 0.5 else [verb, state, *thing]
    return words + choose.choice([[], ["please"]])


def _clock(choose: random.Random) -> list[str]:
    clock = choose.choice(_CLOCKS)
    if clock == "timer":
        words = ["timer", "for", choose.choice(_MINUTES), "minutes"]
    else:
        words = ["alarm", "for", choose.choice(_HOURS), choose.choice(_MINUTES)]
    return ["set", *choose.choice([[], ["the"]]), *words]


def _opening(choose: random.Random) -> list[str]:
    verb = choose.choice(["open", "close"])
    return [
        verb,
        "the",
        choose.choice(_ROOMS),
        choose.choice(_OPENINGS),
    ] + choose.choice([[], ["please"]])


def _call(choose: random.Random) -> list[str]:
    return ["call"] + [choose.choice(_DIGITS) for _ in range(choose.randint(3, 6))]


_KINDS = [_digits, _digits, _switch, _switch, _clock, _opening, _call]


def sentence(choose: random.Random) -> str:
    """Draw one sentence, in lower case with single spaces."""
    return " ".join(choose.choice(_KINDS)(choose))
