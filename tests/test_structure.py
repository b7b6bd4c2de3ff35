"""Imports run one way: downwards from room to room, and nowhere in a circle."""

import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]

# The rooms of the package from the top floor down. A room uses those on lower floors;
# rooms on one floor do not know each other.
FLOORS = """
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
    moved_files options scratch shape exact_parser
    errors names progress suggest tensors text harmless kaldi_scripts
"""


def floors(text):
    """Return the number of each room's floor, 0 at the bottom."""
    lines = text.strip().splitlines()
    return {
        room: len(lines) - n for n, line in enumerate(lines, 1) for room in line.split()
    }


def arrows(package):
    """Return which module imports which, also inside functions."""
    graph = grimp.build_graph(package, cache_dir=None)
    return {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
    }


def room(module):
    """Return the second part of a dotted name."""
    return (module.split(".") + [""])[1]


def wrong_arrows(imports, floor):
    """Return ``a -> b`` for every import that does not lead to a lower floor."""
    return [
        f"{module} -> {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if room(module) != room(other) and floor[room(module)] <= floor[room(other)]
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
    return arrows("espnet_plugin")


def test_every_room_has_a_floor(ours):
    unknown = {room(module) for module in ours} - {"", *floors(FLOORS)}
    assert not unknown, f"{unknown}: say in FLOORS of {__file__} where they stand"


def test_imports_lead_down(ours):
    assert wrong_arrows(ours, {"": 99, **floors(FLOORS)}) == []


def test_no_imports_go_in_a_circle(ours):
    assert circle(ours) == []


def test_the_floor_under_all_imports_nothing(ours):
    assert not ours["espnet_plugin.names"] and not ours["espnet_plugin.errors"]


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Write packages of a room ``top`` above a room ``low``, from their sources."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def build(name, **sources):
        for path in "", "top", "low":
            (tmp_path / name / path).mkdir()
            (tmp_path / name / path / "__init__.py").write_text("")
        for module, source in sources.items():
            path = tmp_path / name / f"{module.replace('_', '/')}.py"
            path.write_text(source.replace("HOUSE", name))
        return arrows(name)

    return build


def test_an_arrow_up_is_found_also_inside_a_function(house):
    imports = house(
        "house_up",
        top_a="from HOUSE.low import b\n",
        low_b="def later():\n    import HOUSE.top.c\n",
        top_c="",
    )
    floor = {"": 9, "top": 1, "low": 0}
    assert wrong_arrows(imports, floor) == ["house_up.low.b -> house_up.top.c"]
    assert circle(imports) == []
    # Rooms on one floor do not know each other either.
    assert len(wrong_arrows(imports, {"": 9, "top": 0, "low": 0})) == 2


def test_a_circle_inside_a_room_is_found(house):
    imports = house(
        "house_round",
        top_a="import HOUSE.top.b\n",
        top_b="def later():\n    from HOUSE.top import c\n",
        top_c="import HOUSE.top.a\n",
    )
    assert wrong_arrows(imports, {"": 9, "top": 1, "low": 0}) == []
    assert set(circle(imports)) == {f"house_round.top.{name}" for name in "abc"}


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
def test_every_room_is_described(file):
    """In a table of rooms, once each."""
    text = (ROOT / file).read_text(encoding="utf-8")
    table = text[text.index("| room |") :].split("\n\n")[0]
    described = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    names = [name for cell in described for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted(floors(FLOORS))


def test_contributing_has_the_rooms_from_the_top_floor_down():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| room |") :].split("\n\n")[0]
    lines = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    described = [set(re.findall(r"`(\w+)`", line)) for line in lines]
    assert described == [set(line.split()) for line in FLOORS.strip().splitlines()]
