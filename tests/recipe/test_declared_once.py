"""Each option of the recipes has its default in one place."""

import ast
import re
from pathlib import Path

import pytest

from espnet_plugin.recipe.families import FAMILIES
from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.values.words import Choice

ROOT = Path(__file__).parents[2]
BIN = ROOT / "espnet_plugin/bin"


def stage_commands():
    """Return the commands that stages of recipes run."""
    text = "".join(one.read_text() for one in ROOT.glob("espnet_plugin/recipe/**/*.py"))
    words = set(re.findall(r'"(\w+)"', text))
    return [BIN / f"{one}.py" for one in sorted(words) if (BIN / f"{one}.py").is_file()]


def literals(file, what):
    """Yield name and value of ``add("--name", what=value)`` calls, if literal."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        first = node.args[0]
        if not isinstance(first, ast.Constant) or not str(first.value).startswith("--"):
            continue
        for keyword in node.keywords:
            if keyword.arg == what:
                try:
                    yield first.value[2:], ast.literal_eval(keyword.value)
                except ValueError:  # taken from somewhere else, as it should be
                    pass


def as_given(default):
    if isinstance(default, (list, tuple)):
        return " ".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)


def places(family, one):
    """Return where an option of a family has its default."""
    found = [
        owner.__name__
        for owner in family.__mro__
        if one.name in owner.__dict__.get("__annotations__", ())
    ]
    if one.default:  # empty, or none, says that the option was not given
        for file in stage_commands():
            for name, default in literals(file, "default"):
                if name == one.name and as_given(default) == one.default:
                    found.append(f"bin/{file.name}")
    for file in sorted(ROOT.glob("egs2/TEMPLATE/*/*.sh")):
        if re.search(rf"(?m)^\s*{one.name}=\$\{{{one.name}:?[-=]", file.read_text()):
            found.append(file.name)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_one_place(family):
    options = FAMILIES[family].options
    assert len(stage_commands()) > 15
    several = {}
    for one in options_of(options):
        found = places(options, one)
        if len(found) != 1:
            several[one.name] = found
    # A plain flag of a command says "false" as every flag does.
    assert {k: v for k, v in several.items() if k != "speed"} == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_are_listed_once(family):
    """Also by commands that no stage runs."""
    choices = {
        one.name: set(one.kind.choices)
        for one in options_of(FAMILIES[family].options)
        if isinstance(one.kind, Choice)
    }
    again = [
        f"{file.name} --{name}"
        for file in sorted(BIN.glob("*.py"))
        for name, values in literals(file, "choices")
        if set(values) == choices.get(name)
    ]
    assert "token_type" in choices and again == []
