"""The text of ``--help`` of a recipe."""

import textwrap
from typing import Any, Mapping, Optional, Sequence, Type

from espnet_plugin.recipe.option import Option, options_of
from espnet_plugin.recipe.options.sections import SECTIONS
from espnet_plugin.recipe.stages.stage import Stage
from espnet_plugin.recipe.values.words import Choice

__all__ = ["help_text", "option_lines"]

_WIDTH, _COLUMN = 92, 30

_NUMBERS = (
    "The recipes of other families (encrl1: small models from a large one; "
    "dualmode1: a full-context and a streaming model; lmprune1: language models) "
    "use the same stage numbers where possible: 1 to 3 and 7 to 10 do the same "
    "in encrl1 and dualmode1. In stages 4 to 6, encrl1 trains or imports the reference "
    "(4), pre-trains the student with EncRL (5) and fine-tunes the small models "
    "(6); dualmode1 pre-trains without transcripts (4), trains both modes (5) and "
    "writes a model for each (6). lmprune1 shares stages 1 and 2 with them; its "
    "stages 3 to 8 are those of a language model: text (3), the dense model (4), "
    "smaller ones (5), perplexity (6), decoding (7), table (8)."
)

_OWN = (
    "The defaults below are those of this recipe: its run.sh sets some of them. "
    "Options on the command line replace them."
)


def help_text(
    script: str,
    about: str,
    family: Type[Any],
    stages: Sequence[Stage],
    examples: Sequence[tuple[str, str]],
    defaults: Optional[Mapping[str, str]] = None,
) -> str:
    """Return the help of a recipe's script.

    Args:
        script: The script as users call it.
        about: The purpose of the recipe, in one or two sentences.
        family: The class that declares the options.
        stages: The stages.
        examples: Example options and what they do.
        defaults: Values of options that the recipe's ``run.sh`` sets, by name.
    """
    lines = [f"Usage: {script} [--option value]...", "", *_wrapped(about), ""]
    lines.append(
        "Stages, and what they write (EXPDIR is the folder of --expdir, and so on):"
    )
    for stage in stages:
        lines += _entry(f"  {stage.number:2d} {stage.name}", stage.leaves)
    lines += ["", *_wrapped(_NUMBERS), "", "Examples:"]
    for options, what in examples:
        lines += _entry(f"  {script} {options}", what, 50)
    if defaults:
        lines += ["", *_wrapped(_OWN)]
    return "\n".join([*lines, *option_lines(family, defaults)])


def option_lines(
    family: Type[Any], defaults: Optional[Mapping[str, str]] = None
) -> list[str]:
    """Return the lines of the help about the options, section by section.

    Args:
        family: The class that declares the options.
        defaults: Values by name that replace the declared defaults.
    """
    defaults = defaults or {}
    declared, lines = options_of(family), []
    for section in dict.fromkeys([*SECTIONS, *(one.section for one in declared)]):
        own = [one for one in declared if one.section == section]
        if own:
            lines += ["", section]
        for one in own:
            about = _about(one, defaults.get(one.name, one.default))
            lines += _entry(f"  --{one.name} {_meta(one)}", about)
    return lines


def _meta(one: Option) -> str:
    if isinstance(one.kind, Choice):
        return "|".join(one.kind.choices)
    return one.kind.meta


def _about(one: Option, default: str) -> str:
    # Without an emptied default one would believe in the declared one.
    value = default or ("none" if one.default else "")
    facts = [f"default: {value}"] if value else []
    if one.unit:
        facts.insert(0, f"in {one.unit}")
    if one.kind.limits():
        facts.insert(0, one.kind.limits())
    return f"{one.help} ({'; '.join(facts)})" if facts else one.help


def _entry(left: str, right: str, column: int = _COLUMN) -> list[str]:
    """Return two columns; the right one starts a line below if the left one is full."""
    lines = textwrap.wrap(
        right, _WIDTH - column, break_long_words=False, break_on_hyphens=False
    )
    if len(left) < column and lines:
        return [left.ljust(column) + lines[0], *(" " * column + x for x in lines[1:])]
    return [left, *(" " * column + line for line in lines)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
