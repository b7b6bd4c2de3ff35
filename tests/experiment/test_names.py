"""Only :mod:`espnet_plugin.experiment` knows what an experiment's files are called."""

import ast
from pathlib import Path

import pytest

import espnet_plugin

ROOT = Path(espnet_plugin.__file__).parent
NAMES = {
    "meta.json",
    "config.yaml",
    "done.json",
    "request.json",
    "cost.json",
    "rtf.json",
    "copied.json",
    "score.json",
    "scored.json",
    "decoded.json",
    "train.log",
    "train_config.yaml",
    "checkpoint.pth",
    "model.pth",
    "valid.cer_ctc.ave.pth",
    "valid.loss.ave.pth",
    "decode_",
}
# Folders of other kinds have files of such names as well.
OTHER_FOLDERS = {
    "data/prepare.py": {"done.json"},  # a formatted set
    "recipe/stages/data.py": {"done.json"},  # the same
    "data/last_seen.py": {"done.json"},  # the same
    "distill/store_format.py": {"meta.json", "done.json"},  # a store of outputs
    "tasks/teacher_cache.py": {"done.json"},  # the same
    "jobs/lm_decode.py": {"decode_"},  # in a language model's folder
    "recipe/best_experiment.py": {"done.json"},  # what was imported of a recipe
    "export/folder.py": {"meta.json"},  # an export, and the programs that go with it
    "export/runners/script_parts.py": {"meta.json"},
}


def literals(path: Path) -> set[str]:
    """Return the names that stand in a module as text of its own, or begin an f-string.

    Docstrings and messages, which only mention them, are longer.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found & NAMES


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("experiment/"):
            yield name


@pytest.mark.parametrize("name", modules())
def test_no_other_module_names_them(name):
    assert literals(ROOT / name) <= OTHER_FOLDERS.get(name, set())


def test_the_room_itself_does():
    found = set().union(*(literals(p) for p in (ROOT / "experiment").glob("*.py")))
    # Names of averages are put together from the criterion.
    assert {"meta.json", "config.yaml", "score.json", "decode_"} <= found
