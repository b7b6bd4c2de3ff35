"""Imports lead from higher to lower layers of the package, and never in a circle."""

import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]

# The sub-packages in layers, from the top down. A sub-package imports from lower layers
# only; those of one layer do not import each other.
LAYERS = """
    bin
    baselines recipe runs web
    jobs estimate probe recognise
    export
    report
    results
    tasks measure launch
    host
    self_supervised decode
    dual_mode
    distill pruning lm corpora reference doctor
    checkpoints cost data score
    experiment
    yaml_files
    files
    moved_files options scratch shape exact_parser writable
    errors names counted progress suggest tensors text harmless kaldi_scripts terminal
"""


def layers(text):
    """Return the number of each sub-package's layer, 0 at the bottom."""
    lines = text.strip().splitlines()
    return {
        part: len(lines) - n for n, line in enumerate(lines, 1) for part in line.split()
    }


def imports_of(package):
    """Return which module imports which, also inside functions."""
    graph = grimp.build_graph(package, cache_dir=None)
    return {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
    }


def part_of(module):
    """Return the sub-package of a module, the second part of its dotted name."""
    return (module.split(".") + [""])[1]


def wrong_imports(imports, layer):
    """Return ``a -> b`` for every import that does not lead to a lower layer."""
    return [
        f"{module} -> {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if part_of(module) != part_of(other)
        and layer[part_of(module)] <= layer[part_of(other)]
    ]


def circle(imports):
    """Return modules that import each other in turn, [] where there are none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def ours():
    return imports_of("espnet_plugin")


def test_every_sub_package_has_a_layer(ours):
    unknown = {part_of(module) for module in ours} - {"", *layers(LAYERS)}
    assert not unknown, f"{unknown}: add them to LAYERS in {__file__}"


def test_imports_lead_down(ours):
    assert wrong_imports(ours, {"": 99, **layers(LAYERS)}) == []


def test_no_imports_go_in_a_circle(ours):
    assert circle(ours) == []


def test_the_lowest_layer_imports_nothing(ours):
    assert not ours["espnet_plugin.names"] and not ours["espnet_plugin.errors"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write packages with a sub-package ``top`` above a sub-package ``low``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def build(name, **sources):
        for path in "", "top", "low":
            (tmp_path / name / path).mkdir()
            (tmp_path / name / path / "__init__.py").write_text("")
        for module, source in sources.items():
            path = tmp_path / name / f"{module.replace('_', '/')}.py"
            path.write_text(source.replace("PACKAGE", name))
        return imports_of(name)

    return build


def test_an_import_upwards_is_found_also_inside_a_function(package):
    imports = package(
        "package_up",
        top_a="from PACKAGE.low import b\n",
        low_b="def later():\n    import PACKAGE.top.c\n",
        top_c="",
    )
    layer = {"": 9, "top": 1, "low": 0}
    assert wrong_imports(imports, layer) == ["package_up.low.b -> package_up.top.c"]
    assert circle(imports) == []
    # Nor do sub-packages of one layer import each other.
    assert len(wrong_imports(imports, {"": 9, "top": 0, "low": 0})) == 2


def test_a_circle_inside_a_sub_package_is_found(package):
    imports = package(
        "package_round",
        top_a="import PACKAGE.top.b\n",
        top_b="def later():\n    from PACKAGE.top import c\n",
        top_c="import PACKAGE.top.a\n",
    )
    assert wrong_imports(imports, {"": 9, "top": 1, "low": 0}) == []
    assert set(circle(imports)) == {f"package_round.top.{name}" for name in "abc"}


def test_test_modules_do_not_import_each_other():
    pattern = re.compile(r"^\s*(?:from|import) (test_\w+)", re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_names_of_test_modules_differ():
    """Pytest imports each by its bare name, and refuses to start with two of one."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    names.pop("conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("file", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_sub_package_is_described(file):
    """In the table, once each."""
    text = (ROOT / file).read_text(encoding="utf-8")
    table = text[text.index("| sub-package |") :].split("\n\n")[0]
    described = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    names = [name for cell in described for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted(layers(LAYERS))


def test_contributing_has_the_layers_from_the_top_down():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| sub-package |") :].split("\n\n")[0]
    lines = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    described = [set(re.findall(r"`(\w+)`", line)) for line in lines]
    assert described == [set(line.split()) for line in LAYERS.strip().splitlines()]
