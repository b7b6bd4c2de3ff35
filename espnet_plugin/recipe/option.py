"""How an option of a recipe is declared: a field of a data class."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Type

from espnet_plugin.recipe.values.kind import Kind

__all__ = ["Option", "PassedTo", "find_option", "option", "options_of", "same_option"]

_KEY = "option"


@dataclass(frozen=True)
class PassedTo:
    """The command that gets the words of an option, in some stages.

    Attributes:
        command: A module of ``espnet_plugin.bin``.
        stages: The stages that call it.
    """

    command: str
    stages: Sequence[int]


@dataclass(frozen=True)
class Option:
    """What is declared of one option.

    Attributes:
        name: As it is given, without the dashes.
        default: As it would be given.
        kind: Type, choices and range of its value.
        section: Heading in ``--help``.
        help: What it does.
        unit: Unit of its value, e.g. ``seconds``.
        stages: The stages that look at it; others take any value. None: all.
        passed_to: The command whose options the value holds.
    """

    name: str
    default: str
    kind: Kind
    section: str
    help: str
    unit: str = ""
    stages: Sequence[int] = ()
    passed_to: Optional[PassedTo] = None


def option(
    section: str,
    default: str,
    kind: Kind,
    help: str,
    unit: str = "",
    stages: Sequence[int] = (),
    passed_to: Optional[PassedTo] = None,
) -> Any:
    """Declare an option as the default of a field; see :class:`Option`."""
    declared = Option("", default, kind, section, help, unit, tuple(stages), passed_to)
    return field(default=kind.read(default), metadata={_KEY: declared})


def same_option(family: Type[Any], name: str, **changes: Any) -> Any:
    """Declare an option that another class has as well.

    Args:
        family: That class.
        name: Its name there, and here.
        changes: What differs here, as :class:`Option` has it.

    Raises:
        KeyError: If the class has none of this name.
    """
    one = dataclasses.replace(find_option(family, name), **changes)
    return field(default=one.kind.read(one.default), metadata={_KEY: one})


def options_of(family: Type[Any]) -> list[Option]:
    """Return the options that a data class declares, inherited ones first."""
    return [
        dataclasses.replace(one.metadata[_KEY], name=one.name)
        for one in dataclasses.fields(family)
        if _KEY in one.metadata
    ]


def find_option(family: Type[Any], name: str) -> Option:
    """Return one option.

    Raises:
        KeyError: If there is none of this name.
    """
    return {one.name: one for one in options_of(family)}[name]
