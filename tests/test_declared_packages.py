"""Every package that is imported is one that setup.py declares."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def normal(name):
    """Return a distribution's name as package indices compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    """Return the distributions that setup.py requires, and those of each extra."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    call = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    )
    given = {one.arg: one.value for one in call.keywords}
    extras = ast.literal_eval(given["extras_require"])
    listed = {"": ast.literal_eval(given["install_requires"]), **extras}
    return {
        extra: {normal(re.match(r"[\w.-]+", one)[0]) for one in names}
        for extra, names in listed.items()
    }


def imported(folder):
    """Return the packages that the modules of a folder import, with a place each."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                found.setdefault(name.split(".")[0], place)
    ours = {path.stem for path in (ROOT / folder).rglob("*.py")} | {"espnet_plugin"}
    return {
        name: place
        for name, place in found.items()
        if name not in sys.stdlib_module_names and name not in ours
    }


@pytest.mark.parametrize(
    "folder, of_developers", [("espnet_plugin", set()), ("tests", {"test"})]
)
def test_every_imported_package_is_declared(folder, of_developers):
    extras = declared()
    allowed = set().union(
        *(
            names
            for extra, names in extras.items()
            if extra not in {"test", "docs"} - of_developers
        )
    )
    distributions = packages_distributions()
    undeclared = {}
    for package, place in imported(folder).items():
        # One that is not installed here is called as it is imported.
        names = distributions.get(package, [package])
        if not {normal(name) for name in names} & allowed:
            undeclared[package] = place
    assert undeclared == {}


def test_what_is_needed_and_not_declared_is_found(tmp_path, monkeypatch):
    (tmp_path / "setup.py").write_text(
        'from setuptools import setup\nsetup(install_requires=["pyyaml>=6"],'
        ' extras_require={"test": ["pytest"]})\n'
    )
    (tmp_path / "espnet_plugin").mkdir()
    (tmp_path / "espnet_plugin/a.py").write_text(
        "import os\nfrom yaml import nodes\ndef f():\n    import scipy.signal\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert declared() == {"": {"pyyaml"}, "test": {"pytest"}}
    assert imported("espnet_plugin") == {
        "yaml": "espnet_plugin/a.py:2",
        "scipy": "espnet_plugin/a.py:4",
    }
    with pytest.raises(AssertionError, match="scipy"):
        test_every_imported_package_is_declared("espnet_plugin", set())
