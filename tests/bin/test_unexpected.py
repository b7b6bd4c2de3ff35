"""What nobody foresaw ends in one line; the traceback is in the file that it names."""

import errno
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from espnet_plugin.bin.run import LOG_FOLDER, run_command
from espnet_plugin.errors import UserError


def ends(error):
    def work():
        raise error

    return run_command(work)


def test_one_line_and_a_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(LOG_FOLDER, str(tmp_path / "exp/log"))
    assert ends(KeyError("no\nsuch key")) == 1
    (log,) = (tmp_path / "exp/log").iterdir()
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("unexpected KeyError: ") and "\n" not in said
    assert str(log) in said and record.exc_info is None
    text = log.read_text()
    assert "Traceback (most recent call last)" in text and "in work" in text


def test_without_a_folder_for_it(tmp_path, monkeypatch, caplog, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(LOG_FOLDER, str(tmp_path / "file/log"))
    assert ends(ZeroDivisionError("x")) == 1
    assert caplog.messages == ["unexpected ZeroDivisionError: x"]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "number, says",
    [
        (errno.ENOSPC, "cannot write exp/a: .*Free some space"),
        (errno.EFBIG, "cannot write exp/a"),
        (errno.EROFS, "cannot use exp/a: .*give another folder"),
        (errno.EACCES, "cannot use exp/a: .*Change its permissions"),
    ],
)
def test_disks(number, says, caplog):
    assert ends(OSError(number, os.strerror(number), "exp/a")) == 2
    assert re.search(says, caplog.text)


def test_other_errors_of_the_system_are_not_foreseen(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(LOG_FOLDER, str(tmp_path))
    assert ends(OSError(errno.EIO, "Input/output error", "exp/a")) == 1
    assert Path(caplog.text.split("traceback is in ")[1].split(";")[0]).is_file()


@pytest.mark.parametrize("lines", [1, 100000])
def test_a_reader_that_has_seen_enough(lines, tmp_path):
    code = (
        "import sys; from espnet_plugin.bin.run import run_command; "
        f"sys.exit(run_command(lambda: print('line\\n' * {lines})))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, LOG_FOLDER: str(tmp_path / "logs")},
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141  # what a shell says of SIGPIPE
    assert not (tmp_path / "logs").exists()


def test_another_broken_pipe_is_not_foreseen(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(LOG_FOLDER, str(tmp_path))
    assert ends(BrokenPipeError(errno.EPIPE, "Broken pipe")) == 1
    assert "unexpected BrokenPipeError" in caplog.text


def test_a_full_disk_in_another_thread_is_one_line(capfd, caplog):
    """As TensorBoard's writer, whose error Python prints with its traceback."""

    def write():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "events.out")

    def work():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        raise UserError("the disk is full")

    hook = threading.excepthook
    assert run_command(work) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert [
        one.getMessage() for one in caplog.records if "events.out" in one.getMessage()
    ]
    assert threading.excepthook is hook


def test_a_fault_in_another_thread_is_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(LOG_FOLDER, str(tmp_path))

    def work():
        thread = threading.Thread(target=lambda: {}["lost"])
        thread.start()
        thread.join()

    assert run_command(work) == 0
    (log,) = tmp_path.glob("error_*.log")
    assert log.name in caplog.text and "KeyError: 'lost'" in log.read_text()


def test_a_log_that_cannot_be_written_has_no_traceback(capfd):
    class Full(logging.Handler):
        def emit(self, record):
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                self.handleError(record)

    handler = Full()
    logging.getLogger().addHandler(handler)
    try:
        assert run_command(lambda: logging.info("a line")) == 0
    finally:
        logging.getLogger().removeHandler(handler)
    assert "Traceback" not in capfd.readouterr().err


def test_a_python_without_the_packages_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(LOG_FOLDER, str(tmp_path))
    assert ends(ModuleNotFoundError("No module named 'torch'", name="torch")) == 2
    assert sys.executable in caplog.text and "activate" in caplog.text
    caplog.clear()
    # A package that is not one of those that every ESPnet environment has.
    for name, says in (
        ("not_there_at_all.sub", "no package not_there_at_all: activate"),
        ("numpy.not_there", "package numpy .* lacks numpy.not_there: install it"),
    ):
        assert ends(ModuleNotFoundError("No module", name=name)) == 2
        assert re.search(says, caplog.text)
    # A module of this plugin that is missing is no fault of the user.
    error = ModuleNotFoundError("No module", name="espnet_plugin.not_there")
    assert ends(error) == 1
    assert "unexpected ModuleNotFoundError" in caplog.text
