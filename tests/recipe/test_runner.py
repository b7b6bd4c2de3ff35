"""Commands of stages: where they run, what their failures and signals leave."""

import os
import signal
import threading
import time
from functools import partial

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.interrupts import Interrupts, Stopped
from espnet_plugin.recipe.runner import Failed, Runner
from espnet_plugin.recipe.shell import (
    Commands,
    read_commands,
    shell_words,
    split_words,
)

# The interface of Kaldi's scripts: options, a log, a command.
RUN_PL = """#!/bin/bash
while [ "${1#--}" != "$1" ]; do shift 2; done
log=$1
shift
cmd=
for word in "$@"; do
    # Kaldi's quoting: only words with spaces, and bash interprets the rest.
    case $word in
        *[[:space:]]*\\"* | *\\"*[[:space:]]*) cmd+="'$word' " ;;
        *[[:space:]]* | "") cmd+="\\"$word\\" " ;;
        *) cmd+="$word " ;;
    esac
done
echo "( $cmd ) > $log 2>&1" | bash
"""


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.pl").write_text(RUN_PL)
    (tmp_path / "run.pl").chmod(0o755)
    commands = Commands(
        (), ("./run.pl", "--gpu", "1"), (), {**os.environ, "SAID": "so"}
    )
    return Runner(commands, "exp", "_s1", Interrupts(), ["py", "-u"])


def test_here_with_the_environment_and_the_status(runner, capfd):
    runner.here(["sh", "-c", "echo ${SAID}"])
    assert capfd.readouterr().out == "so\n"
    with pytest.raises(Failed) as failed:
        runner.here(["sh", "-c", "exit 3"])
    assert failed.value.status == 3
    # As a shell gives it.
    assert runner.status_of(["sh", "-c", "kill -9 $$"]) == 128 + 9
    assert runner.status_of(["./no_such_command"]) == 127
    assert "no_such_command" in capfd.readouterr().err
    assert runner.output_of(["printf", "a\\nb\\n"]) == "a\nb\n"


def test_through_kaldis_scripts_with_a_log(runner, capfd):
    how = runner.commands.cuda
    runner.submit(how, "job", ["echo", "hello"])
    assert open("exp/log/job_s1.log").read() == "hello\n"
    with pytest.raises(UserError, match="exp/log/bad_s1.log"):
        runner.submit(how, "bad", ["sh", "-c", "echo the reason; exit 7"])
    assert "the reason" in capfd.readouterr().err


def test_words_and_logs_of_kaldis_scripts(runner, tmp_path):
    how = runner.commands.cuda
    runner.submit(how, "job", ["echo", "it's", "a  'word'", "$HOME (x)", '"'])
    assert open("exp/log/job_s1.log").read() == "it's a  'word' $HOME (x) \"\n"
    spaced = Runner(runner.commands, "my exp", "_s1", Interrupts(), ["py"])
    with pytest.raises(UserError, match="--expdir my exp: ./run.pl .*cannot write"):
        spaced.submit(how, "job", ["echo"])
    spaced.submit((), "job", ["true"])


def wait_for(file, seconds=20):
    end = time.monotonic() + seconds
    while not os.path.exists(file):
        assert time.monotonic() < end, file
        time.sleep(0.02)


def meet(own, other, output=None):
    """End only if the other one runs at the same time."""
    open(own, "w").close()
    wait_for(other)


def test_jobs_run_beside_other_work(runner):
    jobs = {"job": partial(meet, "a", "b")}
    runner.beside(jobs, 1, partial(meet, "b", "a"))
    assert os.path.exists("exp/log/job_s1.log")


def test_a_job_that_fails_is_shown_and_no_other_begins(runner, capfd):
    def fail(output):
        runner.here(["sh", "-c", "echo the reason; exit 1"], output)

    jobs = {"first": fail, "second": lambda output: open("second", "w").close()}
    done = []
    with pytest.raises(UserError, match="run the same command again"):
        runner.beside(jobs, 1, lambda: done.append(1))
    assert done and not os.path.exists("second")
    assert "the reason" in capfd.readouterr().err


def in_a_moment(number):
    timer = threading.Timer(0.5, os.kill, (os.getpid(), number))
    timer.start()
    return timer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_it_alone_ends_the_command(number):
    interrupts, started = Interrupts(), time.monotonic()
    with interrupts.recording_signals(), pytest.raises(Stopped) as stopped:
        in_a_moment(number)
        interrupts.run(["sleep", "60"])
    assert stopped.value.status == 128 + number and time.monotonic() - started < 30
    with pytest.raises(Stopped):
        interrupts.run(["true"])


def test_ctrl_c_waits_for_the_command(tmp_path):
    """The terminal told it as well; here it takes its time and ends well."""
    interrupts, file = Interrupts(), tmp_path / "file"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts.recording_signals(), pytest.raises(Stopped) as stopped:
            in_a_moment(signal.SIGINT)
            interrupts.run(["sh", "-c", f"sleep 2; echo done > '{file}'"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.value.status == 130 and file.read_text() == "done\n"


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts().recording_signals():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_words_as_a_shell_splits_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.yaml", "a.yaml"):
        (tmp_path / name).touch()
    assert split_words(" x  *.yaml no*.txt\ty ") == "x a.yaml b.yaml no*.txt y".split()
    monkeypatch.setenv("PLACE", "some where")
    text = """--compare 'a 6' "b $PLACE" *.yaml ''"""
    expected = ["--compare", "a 6", "b some where", "a.yaml", "b.yaml", ""]
    assert shell_words(text, "report_opts") == expected
    assert shell_words(" ", "report_opts") == []
    with pytest.raises(UserError, match="--report_opts it's"):
        shell_words("it's", "report_opts")


def test_commands_of_cmd_sh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("nj", "of the user")
    with pytest.raises(UserError, match="cmd.sh is missing"):
        read_commands({})
    (tmp_path / "cmd.sh").write_text(
        'train_cmd= decode_cmd="run.pl --mem 8G"\n'
        'export cuda_cmd="run.pl --gpu ${ngpu} ${nj}" PATH=/kaldi:${PATH}\n'
        "echo something\n"
    )
    commands = read_commands({"ngpu": "2", "nj": "4"})
    assert commands.train == () and commands.decode == ("run.pl", "--mem", "8G")
    assert commands.cuda == ("run.pl", "--gpu", "2", "4")
    environment = commands.environment
    assert environment["PATH"] == f"/kaldi:{os.environ['PATH']}"
    # What was said to cmd.sh is no variable of the stages' commands.
    assert "ngpu" not in environment and environment["nj"] == "of the user"
    (tmp_path / "cmd.sh").write_text("train_cmd= cuda_cmd=\n")
    with pytest.raises(UserError, match="cmd.sh failed"):
        read_commands({})
