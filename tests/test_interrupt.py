"""Ctrl-C in a command, also before its work begins."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def interrupted(tmp_path, code):
    """Run a program, interrupt it once it says so, return it and what it complained."""
    (tmp_path / "program.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that run in the background inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "waiting\n"
    os.killpg(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    return process, complaint


def test_while_espnet_is_imported(tmp_path):
    """As "python -m espnet_plugin.bin.x": the package first, then heavy imports."""
    process, complaint = interrupted(
        tmp_path,
        "import espnet_plugin.bin, time\n"
        "print('waiting', flush=True)\n"
        "time.sleep(60)\n",
    )
    assert process.returncode in (-signal.SIGINT, 130)
    assert complaint.count("\n") == 1 and "run the same command again" in complaint


def test_other_errors_keep_their_traceback(tmp_path):
    code = "import espnet_plugin.bin\nraise RuntimeError('a bug')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" in result.stderr and "a bug" in result.stderr


@pytest.mark.parametrize("workers", [0, 2])
def test_while_it_works(tmp_path, workers):
    """With worker processes as stage 2 has them: one line, not a traceback each."""
    process, complaint = interrupted(
        tmp_path,
        f"""
import sys, time
from concurrent.futures import ProcessPoolExecutor
from espnet_plugin.bin.run import run_command
from espnet_plugin.data.utterance import one_thread

def job(number):
    # The last one: by then every worker process has begun.
    if number == {max(workers - 1, 0)}:
        print("waiting", flush=True)
    time.sleep(2 if {workers} else 60)

def work():
    if not {workers}:
        job(0)
    with ProcessPoolExecutor({workers} or 1, initializer=one_thread) as pool:
        list(pool.map(job, range({workers})))

if __name__ == "__main__":
    sys.exit(run_command(work))
""",
    )
    assert process.returncode == 130
    assert complaint.count("\n") == 1 and "run the same command again" in complaint
