"""The launcher: a module run as Python would run it, spawned ranks registered too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_plugin import host, launch

ROOT = Path(__file__).parents[1]

SHOW = """
import sys
print(__name__, sys.argv, __file__)
"""


@pytest.fixture
def registered(monkeypatch):
    """Count registrations without importing ESPnet."""
    calls = []
    monkeypatch.setattr(host, "register", lambda: calls.append("asr"))
    monkeypatch.setattr(host, "register_ssl", lambda: calls.append("ssl"))
    monkeypatch.setattr(host, "register_lm", lambda: calls.append("lm"))
    return calls


@pytest.fixture
def modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", sys.argv)
    return tmp_path


def test_a_module_runs_as_main_with_its_own_options(modules, registered, capsys):
    path = modules / "shown_module.py"
    path.write_text(SHOW)
    assert launch.main(["-m", "shown_module", "--opt", "a b", "-m", "x"]) == 0
    argv = [str(path), "--opt", "a b", "-m", "x"]
    assert capsys.readouterr().out.strip() == f"__main__ {argv} {path}"
    assert registered == ["asr", "ssl", "lm"]


def test_a_script_runs_as_main(modules, registered, capsys, monkeypatch):
    folder = modules / "scripts"
    folder.mkdir()
    (folder / "its_neighbour.py").write_text("")
    path = folder / "shown_script.py"
    path.write_text(f"import its_neighbour{SHOW}")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert launch.main([str(path), "1"]) == 0
    assert capsys.readouterr().out.strip() == f"__main__ {[str(path), '1']} {path}"
    assert registered == ["asr", "ssl", "lm"]


def test_what_builds_no_model_is_not_made_to_wait(modules, registered, capsys):
    with pytest.raises(SystemExit) as end:
        launch.main(["-m", "espnet2.bin.launch", "--help"])
    assert end.value.code == 0 and not registered
    assert "Launch distributed process" in capsys.readouterr().out


def test_the_light_modules_exist():
    """A renamed one would be registered for, at the price of seconds, unseen."""
    import importlib.util

    assert all(importlib.util.find_spec(name) for name in launch.LIGHT)


def test_a_users_mistake_is_one_line(modules, registered, caplog):
    text = "from espnet_plugin.errors import UserError\nraise UserError('mend this')\n"
    (modules / "wrong_module.py").write_text(text)
    assert launch.main(["-m", "wrong_module"]) == 2
    assert caplog.messages == ["mend this"]


@pytest.mark.parametrize("cmd, status", [([], 2), (["-m"], 2), (["--help"], 0)])
def test_usage(cmd, status, registered, capsys):
    assert launch.main(cmd) == status
    assert "usage: python3 -m espnet_plugin.launch -m module" in capsys.readouterr().out


@pytest.mark.slow
def test_spawned_ranks_know_the_models(tmp_path):
    """As espnet2.tasks.abs_task starts ranks: spawn, and a target it unpickles."""
    (tmp_path / "rank_work.py").write_text(
        "import sys\n"
        "def rank():\n"
        "    choices = sys.modules['espnet2.tasks.asr'].model_choices.classes\n"
        "    losses = sys.modules['espnet2.tasks.ssl'].loss_choices.classes\n"
        "    lms = sys.modules['espnet2.tasks.lm'].lm_choices.classes\n"
        "    ours = {'encrl', 'espnet', 'wav2vec2', 'compact_transformer'}\n"
        "    known = ours & {*choices, *losses, *lms}\n"
        "    print('rank', sorted(known), flush=True)\n"
    )
    (tmp_path / "starts_ranks.py").write_text(
        "import multiprocessing\n"
        "from rank_work import rank\n"
        "if __name__ == '__main__':\n"
        "    from espnet2.tasks.asr import model_choices\n"
        "    print('main', 'encrl' in model_choices.classes, flush=True)\n"
        "    spawn = multiprocessing.get_context('spawn')\n"
        "    process = spawn.Process(target=rank)\n"
        "    process.start(), process.join()\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "espnet_plugin.launch", "-m", "starts_ranks"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.stdout.splitlines() == [
        "main True",
        "rank ['compact_transformer', 'encrl', 'espnet', 'wav2vec2']",
    ]
