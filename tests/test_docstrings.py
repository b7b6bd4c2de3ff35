"""Docstrings describe each argument and attribute by a whole phrase."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What a phrase begins with that only makes sense after the name before it.
CLIPPED = re.compile(r"^\s+\w+: (Of|Likewise|Ditto|Whose|Those|Or) .*$", re.MULTILINE)


def clipped_entries(source):
    """Return the entries of a module's docstrings that are no whole phrases."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [
        entry.group().strip()
        for node in nodes
        for entry in CLIPPED.finditer(ast.get_docstring(node, clean=False) or "")
    ]


def test_a_clipped_entry_is_found():
    source = (
        'def f(a, b):\n    """Do.\n\n    Args:\n        a: Of the model.\n'
        '        b: Width of the model.\n    """\n'
    )
    assert clipped_entries(source) == ["a: Of the model."]


def test_entries_are_whole_phrases():
    found = [
        f"{path.relative_to(ROOT)}: {entry}"
        for path in sorted((ROOT / "espnet_plugin").rglob("*.py"))
        for entry in clipped_entries(path.read_text(encoding="utf-8"))
    ]
    assert not found, found
