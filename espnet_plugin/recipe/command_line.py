"""A recipe's command line: options with values, as in Kaldi and ESPnet."""

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Generic, Mapping, Optional, Sequence, Type, TypeVar

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.asr_sh import instead_of
from espnet_plugin.recipe.option import Option, options_of
from espnet_plugin.suggest import did_you_mean

__all__ = ["CommandLine", "HelpWanted", "shown"]

T = TypeVar("T")

_HELP = ("--help", "-h")


class HelpWanted(Exception):
    """``--help`` was given.

    Attributes:
        defaults: Texts of the options that were given before it, by name: those that a
            recipe's ``run.sh`` sets.
        mistake: What is wrong with the options before it; None: nothing.
    """

    def __init__(
        self, defaults: Mapping[str, str], mistake: Optional[UserError] = None
    ) -> None:
        super().__init__("--help")
        self.defaults, self.mistake = defaults, mistake


@dataclass(frozen=True)
class CommandLine(Generic[T]):
    """What was given, as text and as values.

    Attributes:
        texts: The text of every option by name, as it was given or by default.
        values: An instance of the class that declares the options.
    """

    texts: Mapping[str, str]
    values: T

    @classmethod
    def read(
        cls,
        family: Type[T],
        given: Sequence[str],
        script: str,
        renamed: Mapping[str, str],
        elsewhere: Mapping[str, str],
    ) -> "CommandLine[T]":
        """Read options and check the value of each, independently of the others.

        Args:
            family: The class that declares the options.
            given: ``--name value`` pairs; a later one replaces an earlier one.
            script: Name of the script that was called, for messages.
            renamed: Current names of options by their former names.
            elsewhere: Names of the scripts that have an option, by the option's name.

        Raises:
            HelpWanted: If ``--help`` was given.
            UserError: If an option is unknown or its value is wrong.
        """
        words = list(given)
        if any(word in _HELP for word in words):
            before = words[: [word in _HELP for word in words].index(True)]
            mistake = None
            try:
                cls.read(family, before, script, renamed, elsewhere)
            except UserError as error:
                mistake = error
            raise HelpWanted(_given(family, before, renamed), mistake)
        declared = {one.name: one for one in options_of(family)}
        texts = {name: one.default for name, one in declared.items()}
        last = ""
        while words:
            word = words.pop(0)
            see = f"(see {script} --help)"
            if not word.startswith("--"):
                more = list(takewhile(lambda one: one[:1] != "-", words))
                hint = _not_an_option([word, *more], last, texts, declared)
                raise UserError(f"{word} is not an option{hint} {see}")
            name = _name(word, renamed)
            if name not in declared:
                why = did_you_mean(name, declared, "--")
                first, equals, rest = word.partition("=")
                if equals and first[2:].replace("-", "_") in declared:
                    why = f": write {first} {rest}"
                instead = instead_of(name, declared)
                if instead:
                    why = f", but of ESPnet's asr.sh: {instead}"
                elif name in elsewhere:
                    why = f": only recipes of {elsewhere[name]} have this option"
                raise UserError(f"unknown option {word}{why} {see}")
            if not words or _is_named(words[0], declared, renamed):
                kind = declared[name].kind
                raise UserError(f"{word} needs a value: {kind.meta} {see}")
            texts[name], last = words.pop(0), name
        stages: range = range(0)
        values: dict[str, Any] = {}
        for name, one in declared.items():
            if one.stages and not set(one.stages) & set(stages):
                values[name] = _unused(one, texts[name])
                continue
            values[name] = _value(one, texts[name])
            if name == "stop_stage":
                stages = _stages(values["stage"], values["stop_stage"])
        return cls(texts, family(**values))


def _not_an_option(
    words: Sequence[str],
    last: str,
    texts: Mapping[str, str],
    declared: Mapping[str, Option],
) -> str:
    """Return a hint on a word that is neither an option nor the value of one.

    Args:
        words: The word, and those between it and the next option.
        last: Name of the option before it; empty: none.
        texts: Values by the option's name.
        declared: The options.
    """
    word = words[0]
    if word.startswith("-") and word[1:].replace("-", "_") in declared:
        return f"; did you mean -{word}?"
    if last and declared[last].kind.meta.startswith('"') and not word.startswith("-"):
        values = " ".join([texts[last], *words])
        return f': put several values into quotes: --{last} "{values}"'
    return ""


def _name(word: str, renamed: Mapping[str, str]) -> str:
    """Return the name of an option, as it is declared, from how it was written."""
    name = word[2:].replace("-", "_")
    return renamed.get(name, name)


def _is_named(
    word: str, declared: Mapping[str, Any], renamed: Mapping[str, str]
) -> bool:
    """Return whether a word is an option, not the value of the one before it."""
    return word.startswith("--") and _name(word, renamed) in declared


def _given(
    family: Type[Any], words: Sequence[str], renamed: Mapping[str, str]
) -> dict[str, str]:
    """Return the texts of known options by name; everything else is left out."""
    known = {one.name for one in options_of(family)}
    pairs = zip(words[::2], words[1::2])
    named = {_name(word, renamed): text for word, text in pairs}
    return {name: text for name, text in named.items() if name in known}


def _stages(first: int, last: int) -> range:
    if first > last:
        raise UserError(
            f"--stage {first} comes after --stop_stage {last}, so nothing would run: "
            f"give --stop_stage {first} or more"
        )
    return range(first, last + 1)


def _value(one: Option, given: str) -> Any:
    try:
        return one.kind.read(given)
    except ValueError as error:
        raise UserError(f"--{one.name} {_short(given)}: {error}") from error


def _unused(one: Option, given: str) -> Any:
    """Return the value of an option that no stage uses, without checking it."""
    return (
        given
        if isinstance(one.kind.read(one.default), str)
        else one.kind.read(one.default)
    )


def _short(given: str) -> str:
    """Return a value for a message: one short line, with quotes if it is empty."""
    given = re.sub(r"[\x00-\x1f\x7f]", "?", given)
    return f"{given[:60]}..." if len(given) > 60 else given or "''"


def shown(value: Any) -> str:
    """Return a value as text on the command line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        pairs = (
            ":".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in value
        )
        return " ".join(pairs)
    return str(value)
