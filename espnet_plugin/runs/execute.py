"""Run jobs as parallel processes, each after those that it depends on."""

import logging
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.kaldi_scripts import for_kaldi, is_kaldi
from espnet_plugin.progress import duration
from espnet_plugin.runs.outlook import time_left
from espnet_plugin.runs.plan import Job
from espnet_plugin.runs.record import Records
from espnet_plugin.runs.signals import ended_by_signals

__all__ = ["Calls", "run_jobs"]

_POLL_S = 0.2
_PATIENCE_S = 20.0


class Calls:
    """Starts jobs as processes.

    Args:
        recipe: The recipe's folder, in which ``run.sh`` is called.
        more: Options of ``run.sh`` for every job. They come last and take precedence.
        launch: Words before the call, for a cluster. A Kaldi script (``*.pl``) also
            gets the path of the log.
        script: Words that call the recipe's ``run.sh`` in its folder.
        environment: Environment variables of the calls; by default those of this
        process.
    """

    def __init__(
        self,
        recipe: Path,
        more: Sequence[str] = (),
        launch: Sequence[str] = (),
        script: Sequence[str] = ("./run.sh",),
        environment: Optional[Mapping[str, str]] = None,
    ):
        self.recipe, self.more, self.launch = recipe, tuple(more), tuple(launch)
        self._script = tuple(script)
        self._environment = os.environ if environment is None else environment

    def command(self, words: Sequence[str], expdir: Optional[Path] = None) -> list[str]:
        """Return the call of ``run.sh`` with these options."""
        own = ("--expdir", str(expdir)) if expdir else ()
        return [*self._script, *words, *self.more, *own]

    @ended_by_signals()
    def here(
        self, words: Sequence[str], what: str, expdir: Optional[Path] = None
    ) -> None:
        """Call ``run.sh`` in the foreground and wait.

        Args:
            words: Options of ``run.sh``.
            what: Purpose of the call, for messages.
            expdir: Folder of the models, if it is not the recipe's own.

        Raises:
            UserError: If it fails.
        """
        command = self.command(words, expdir)
        env = dict(self._environment)
        # In its own process group, so that all child processes can be stopped.
        try:
            process = subprocess.Popen(
                command, cwd=self.recipe, env=env, start_new_session=True
            )
        except OSError as error:
            raise self._not_started(command[0], error) from error
        try:
            status = process.wait()
        finally:
            _stop([process])
        if status:
            raise UserError(
                f"{what}: {shlex.join(command)} ended with status {status}; see above"
            )

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen:
        """Start a call in its own process group, with its output in ``log``."""
        env, call = dict(self._environment), list(command)
        if self.launch:
            # The job already runs on a node, and its stages must run there too.
            env["cmd_backend"] = "local"
            # Some queues do not pass on environment variables.
            call = ["env", "cmd_backend=local", *call]
            if is_kaldi(self.launch):
                call = [str(log.resolve()), *for_kaldi(call)]
            call = [*self.launch, *call]
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as stream:
            try:
                return subprocess.Popen(
                    call,
                    cwd=self.recipe,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise self._not_started(call[0], error) from error

    def _not_started(self, program: str, error: OSError) -> UserError:
        """Return the message for a program that is missing or not executable."""
        by = f"--launch {shlex.join(self.launch)}: " if self.launch else ""
        return UserError(
            f"{by}{program} cannot be started in {self.recipe}: "
            f"{error.strerror or error}"
        )


@ended_by_signals()
def run_jobs(
    todo: Sequence[Job],
    calls: Calls,
    records: Records,
    inputs: Mapping[str, str],
    side_by_side: int,
    known: Mapping[str, tuple[str, float]],
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Run jobs, and return the names of those that failed or could not start.

    If a job fails, only the jobs that depend on it are not started. After Ctrl-C,
    SIGTERM or SIGHUP all jobs are stopped; they resume when they are started again.

    Args:
        todo: The jobs that are due, in the order in which they are started.
        calls: Starts the jobs.
        records: Records of the jobs.
        inputs: See :func:`~espnet_plugin.runs.record.inputs_of`.
        side_by_side: Number of parallel jobs.
        known: Row and duration in seconds of jobs that ended earlier, for the time
        left.
        clock: Monotonic clock in seconds; tests replace it.
    """
    waiting, failed, done = list(todo), [], 0
    running: dict[str, tuple[Job, subprocess.Popen, float]] = {}
    rows = {name: row for name, (row, _) in known.items()}
    took = {name: seconds for name, (_, seconds) in known.items()}
    unfinished = {job.name for job in todo}
    try:
        while waiting or running:
            for job in [j for j in waiting if set(j.after) & set(failed)]:
                needed = ", ".join(sorted(set(job.after) & set(failed)))
                logging.error("%s is not started: it needs %s", job.name, needed)
                waiting.remove(job)
                failed.append(job.name)
            for job in [j for j in waiting if not set(j.after) & unfinished]:
                if len(running) == side_by_side:
                    break
                waiting.remove(job)
                command = calls.command(job.words, job.expdir)
                logging.info("%s: %s", job.name, records.log(job))
                process = calls.start(command, records.log(job))
                running[job.name] = job, process, clock()
            for job, process, began in list(running.values()):
                if process.poll() is None:
                    continue
                del running[job.name]
                # A pattern that matches nothing would make the job due for ever.
                lacking = None if process.returncode else records.lacking(job)
                seconds = clock() - began
                ok = process.returncode == 0 and lacking is None
                command = calls.command(job.words, job.expdir)
                record = records.ended(job, command, inputs, seconds, ok)
                if not ok:
                    failed.append(job.name)
                if lacking is not None:
                    logging.error(
                        "%s ended, but no model in %s matches %r: correct leaves or "
                        "options of rows.%s in the plan (%s)",
                        job.name,
                        job.expdir or records.expdir,
                        lacking,
                        job.row,
                        records.log(job),
                    )
                elif not ok:
                    logging.error(
                        "%s failed (exit status %d): %s (%s)",
                        job.name,
                        process.returncode,
                        _last_line(records.log(job)),
                        records.log(job),
                    )
                if not ok:
                    continue
                unfinished.discard(job.name)
                done += 1
                rows[job.name], took[job.name] = job.row, record.seconds
                rest = [*waiting, *(job for job, *_ in running.values())]
                logging.info(
                    "%s took %s; %d of %d done%s",
                    job.name,
                    duration(record.seconds),
                    done,
                    len(todo),
                    f", {time_left(rest, took, rows, side_by_side)}" if rest else "",
                )
            time.sleep(_POLL_S)
    finally:
        _stop([process for _, process, _ in running.values()])
    return failed


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:  # a queue may write it elsewhere, or later
        return f"no log: {error.strerror}"
    return next((line for line in reversed(lines) if line.strip()), "the log is empty")


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """Interrupt running jobs as Ctrl-C does, and kill those that continue."""
    for sign in signal.SIGINT, signal.SIGTERM, signal.SIGKILL:
        alive = [process for process in processes if process.poll() is None]
        for process in alive:
            os.killpg(process.pid, sign)
        end = time.monotonic() + _PATIENCE_S
        while alive and time.monotonic() < end:
            alive = [process for process in alive if process.poll() is None]
            time.sleep(_POLL_S)
