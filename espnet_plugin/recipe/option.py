"""How an option of a recipe is declared: a field of a data class."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Type

from espnet_plugin.recipe.values.kind import Kind

__all__ = ["Option", "PassedTo", "find_option", "option", "options_of", "same_option"]

_KEY = "option"


@dataclass(frozen=True)
class PassedTo:
    """The command that receives the words of an option in some stages.

    Attributes:
        command: Name of a module of ``espnet_plugin.bin``.
        stages: Numbers of the stages that call it.
        config: Option with the training configuration whose values the words replace;
            empty if there is none.
    """

    command: str
    stages: Sequence[int]
    config: str = ""


@dataclass(frozen=True)
class Option:
    """The declaration of one option.

    Attributes:
        name: Name without the dashes.
        default: Default value, as text on the command line.
        kind: Type, choices and range of the value.
        section: Heading in ``--help``.
        help: What the option does.
        unit: Unit of the value, e.g. ``seconds``.
        stages: Numbers of the stages that use the option; empty: all. If none of them
            runs, the value is not checked.
        passed_to: The command whose options the value contains, if there is one.
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
    """Declare an option that another class also has.

    Args:
        family: The other class.
        name: Name of the option, the same in both classes.
        changes: Attributes of :class:`Option` that differ here.

    Raises:
        KeyError: If the class has no option of this name.
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
        KeyError: If there is no option of this name.
    """
    return {one.name: one for one in options_of(family)}[name]
