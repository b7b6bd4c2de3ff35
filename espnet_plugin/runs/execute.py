"""Run jobs as parallel processes, each after those that it depends on."""

import logging
import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
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
    run = _Run(todo, calls, records, inputs, side_by_side, known, clock)
    try:
        while run.waiting or run.running:
            run.give_up()
            run.start_due()
            for one in list(run.running.values()):
                if one.process.poll() is not None:
                    run.finish(one)
            time.sleep(_POLL_S)
    finally:
        _stop([one.process for one in run.running.values()])
    return run.failed


@dataclass(frozen=True)
class _Running:
    """A job that was started.

    Attributes:
        job: The job.
        process: Its process.
        began: When it was started, on the clock of the run.
    """

    job: Job
    process: subprocess.Popen
    began: float


class _Run:
    """The state of :func:`run_jobs`, which has the same arguments.

    Attributes:
        waiting: Jobs that were not started yet.
        running: Jobs that were started and have not ended, by name.
        failed: Names of jobs that failed or could not start.
    """

    def __init__(
        self,
        todo: Sequence[Job],
        calls: Calls,
        records: Records,
        inputs: Mapping[str, str],
        side_by_side: int,
        known: Mapping[str, tuple[str, float]],
        clock: Callable[[], float],
    ):
        self.waiting = list(todo)
        self.failed: list[str] = []
        self.running: dict[str, _Running] = {}
        self._calls, self._records, self._inputs = calls, records, inputs
        self._side_by_side, self._clock = side_by_side, clock
        self._rows = {name: row for name, (row, _) in known.items()}
        self._took = {name: seconds for name, (_, seconds) in known.items()}
        self._unfinished = {job.name for job in todo}
        self._count, self._done = len(todo), 0

    def give_up(self) -> None:
        """Drop the waiting jobs that need one that failed."""
        for job in [j for j in self.waiting if set(j.after) & set(self.failed)]:
            needed = ", ".join(sorted(set(job.after) & set(self.failed)))
            logging.error("%s is not started: it needs %s", job.name, needed)
            self.waiting.remove(job)
            self.failed.append(job.name)

    def start_due(self) -> None:
        """Start waiting jobs that need no unfinished one, as many as may run."""
        for job in [j for j in self.waiting if not set(j.after) & self._unfinished]:
            if len(self.running) == self._side_by_side:
                break
            self.waiting.remove(job)
            command = self._calls.command(job.words, job.expdir)
            log = self._records.log(job)
            logging.info("%s: %s", job.name, log)
            process = self._calls.start(command, log)
            self.running[job.name] = _Running(job, process, self._clock())

    def finish(self, one: _Running) -> None:
        """Record a job that has ended, and report it."""
        job, status = one.job, one.process.returncode
        del self.running[job.name]
        # A pattern that matches nothing would make the job due for ever.
        lacking = None if status else self._records.lacking(job)
        ok = status == 0 and lacking is None
        seconds = self._clock() - one.began
        command = self._calls.command(job.words, job.expdir)
        record = self._records.ended(job, command, self._inputs, seconds, ok)
        if not ok:
            self.failed.append(job.name)
            self._report_failure(job, status, lacking)
            return
        self._unfinished.discard(job.name)
        self._done += 1
        self._rows[job.name], self._took[job.name] = job.row, record.seconds
        rest = [*self.waiting, *(other.job for other in self.running.values())]
        left = time_left(rest, self._took, self._rows, self._side_by_side)
        logging.info(
            "%s took %s; %d of %d done%s",
            job.name,
            duration(record.seconds),
            self._done,
            self._count,
            f", {left}" if rest else "",
        )

    def _report_failure(self, job: Job, status: int, lacking: Optional[str]) -> None:
        """Log why a job failed: its status, or a pattern that no model matches."""
        log = self._records.log(job)
        if lacking is None:
            logging.error(
                "%s failed (exit status %d): %s (%s)",
                job.name,
                status,
                _last_line(log),
                log,
            )
            return
        logging.error(
            "%s ended, but no model in %s matches %r: correct leaves or "
            "options of rows.%s in the plan (%s)",
            job.name,
            job.expdir or self._records.expdir,
            lacking,
            job.row,
            log,
        )


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
