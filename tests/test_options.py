"""A mapping becomes a typed value, or one message says what is wrong with it."""

from dataclasses import dataclass
from typing import Literal, Mapping, Optional, Sequence, Union

import pytest
import yaml

from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options


@dataclass(frozen=True)
class Tea:
    kind: Literal["green", "black"]
    minutes: float = 3.0
    cups: int = 1
    hot: bool = True
    sugar: Optional[int] = None
    guests: Sequence[str] = ()
    share: Union[float, Mapping[str, float]] = 0.5

    def __post_init__(self):
        if self.cups < 1:
            raise UserError(f"cups {self.cups}: must be at least 1")


class Base:
    def __init__(self, size: int, weight: float = 1.0):
        self.size, self.weight = size, weight


class Derived(Base):
    def __init__(self, on: str = "a", **others):
        super().__init__(**others)
        self.on = on


@pytest.mark.parametrize("given", [None, {}, {"weight": 2}])
def test_a_class_whose_options_are_passed_on(given):
    made = read_options(Derived, given, "conf", size=4)
    assert (made.size, made.on) == (4, "a")
    assert made.weight == (given or {}).get("weight", 1.0)


def test_what_was_given_is_there():
    text = "{kind: green, minutes: 4, sugar: null, guests: [a, b], share: {a: 0.1}}"
    tea = read_options(Tea, yaml.safe_load(text), "tea")
    assert tea == Tea("green", 4, guests=["a", "b"], share={"a": 0.1})


@pytest.mark.parametrize(
    "text, says",
    [
        ("[green]", r"tea \['green'\]: must be a mapping, choose from kind, minutes"),
        ("{kind: green, milk: 1}", "tea.milk 1: there is no such option; choose from"),
        ("{minutes: 2}", "tea: kind must be given"),
        ("{kind: red}", "tea.kind 'red': must be one of green, black"),
        ("{kind: green, minutes: long}", "tea.minutes 'long': must be a number$"),
        (
            "{kind: green, minutes: 2e-5}",
            "a number; YAML reads 2e-5 as text, write 2.0e-05",
        ),
        ("{kind: green, cups: 1.5}", "tea.cups 1.5: must be a whole number"),
        ("{kind: green, cups: true}", "tea.cups True: must be a whole number"),
        ("{kind: green, hot: 1}", "tea.hot 1: must be true or false"),
        ("{kind: green, sugar: two}", "tea.sugar 'two': .* a whole number or null"),
        (
            "{kind: green, guests: [1]}",
            r"tea.guests \[1\]: .* list of items that are text",
        ),
        ("{kind: green, guests: ann}", "tea.guests 'ann': must be a list"),
        ("{kind: green, share: all}", "tea.share 'all': must be a number or a mapping"),
        ("{kind: green, cups: 0}", "tea.cups 0: must be at least 1"),
    ],
)
def test_what_is_wrong_is_named(text, says):
    with pytest.raises(UserError, match=says):
        read_options(Tea, yaml.safe_load(text), "tea")


def test_what_is_fixed_cannot_be_given():
    with pytest.raises(UserError, match="conf.size 3: there is no such option"):
        read_options(Derived, {"size": 3}, "conf", size=4)
