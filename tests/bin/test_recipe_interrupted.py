"""Ctrl-C while a recipe asks its own scripts is no mistake in these scripts."""

import os
import signal
from pathlib import Path

import pytest

from espnet_plugin.bin import recipe

CONF = Path(__file__).parents[2] / "conf"
SCRIPT = """
export train_cmd= cuda_cmd= decode_cmd=
kill -INT {processes}
exit 1
"""


@pytest.fixture
def default_interrupt():
    """Python's own handling, also where tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("family", ["encrl", "dualmode"])
def test_ctrl_c_while_cmd_sh_is_read(
    tmp_path, monkeypatch, capfd, caplog, default_interrupt, family
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cmd.sh").write_text(SCRIPT.format(processes=f"{os.getpid()} $$"))
    (tmp_path / "conf").symlink_to(CONF)
    assert recipe.main([family, "--stage", "4", "--stop_stage", "4"]) == 130
    assert "The same command resumes" in capfd.readouterr().err
    assert "cmd.sh failed" not in caplog.text


def test_a_script_that_fails_by_itself_is_still_named(
    tmp_path, monkeypatch, caplog, default_interrupt
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cmd.sh").write_text("exit 1\n")
    (tmp_path / "conf").symlink_to(CONF)
    assert recipe.main(["dualmode", "--stage", "4", "--stop_stage", "4"]) == 2
    assert "cmd.sh failed" in caplog.text
