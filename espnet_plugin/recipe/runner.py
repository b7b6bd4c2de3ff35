"""Run the commands of stages as ``cmd.sh`` says."""

import shlex
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence, TextIO

from espnet_plugin.errors import UserError
from espnet_plugin.kaldi_scripts import for_kaldi, is_kaldi, is_kaldi_path
from espnet_plugin.recipe.interrupts import Interrupts
from espnet_plugin.recipe.shell import Commands

__all__ = ["Failed", "Runner", "log"]

_SHOWN = 20  # number of last lines of a log that are printed after a failure


def log(message: str, stream: Optional[TextIO] = None) -> None:
    """Print a line with the time of day, by default to standard error."""
    stamp = time.strftime("%H:%M:%S")
    print(stamp, message, file=stream or sys.stderr, flush=True)


class Failed(Exception):
    """A command failed and has printed the reason itself.

    Attributes:
        status: Exit status of the command.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


class Runner:
    """Runs commands and waits for each to end.

    Args:
        commands: The commands that ``cmd.sh`` sets.
        expdir: Folder of experiments; logs of submitted commands are in its ``log``.
        log_suffix: End of the names of the logs.
        interrupts: Records signals while commands run.
        python: The command that runs Python, as words.
        ngpu: Number of GPUs on each node.
        num_nodes: Number of nodes of a training.
        hosts: Names of the nodes, instead of their number.
    """

    def __init__(
        self,
        commands: Commands,
        expdir: str,
        log_suffix: str,
        interrupts: Interrupts,
        python: Sequence[str],
        ngpu: int = 0,
        num_nodes: int = 1,
        hosts: str = "",
    ) -> None:
        self.commands = commands
        self._expdir, self._suffix = expdir, log_suffix
        self._interrupts, self._python = interrupts, tuple(python)
        self._ngpu, self._num_nodes, self._hosts = ngpu, num_nodes, hosts

    @property
    def several_nodes(self) -> bool:
        """Whether ESPnet's launcher starts the trainings."""
        return self._num_nodes != 1 or bool(self._hosts)

    def python(self, module: str, *options: str) -> list[str]:
        """Return a command of this plugin, as words.

        Args:
            module: Name of a module of ``espnet_plugin.bin``.
            options: Options of the command.
        """
        return [*self._python, "-m", f"espnet_plugin.bin.{module}", *options]

    def log_file(self, name: str) -> str:
        """Return the path of the log of a submitted command."""
        return f"{self._expdir}/log/{name}{self._suffix}.log"

    def check(self) -> None:
        """Stop if a signal was received.

        Raises:
            Stopped: If so; see :mod:`espnet_plugin.recipe.interrupts`.
        """
        self._interrupts.check()

    def here(self, words: Sequence[str], output: Optional[TextIO] = None) -> None:
        """Run a command on this machine.

        Args:
            words: The command.
            output: Receives its output and errors; None: those of this process.

        Raises:
            Failed: If it fails.
        """
        status = self.status_of(words, output)
        if status:
            raise Failed(status)

    def status_of(
        self,
        words: Sequence[str],
        output: Optional[TextIO] = None,
        errors: Optional[int] = subprocess.STDOUT,
    ) -> int:
        """Run a command on this machine; return its exit status.

        Args:
            words: The command.
            output: See :meth:`here`.
            errors: Where its errors go if ``output`` is given: by default also to
                ``output``; None: to the errors of this process.
        """
        more = {} if output is None else {"stdout": output, "stderr": errors}
        try:
            return self._interrupts.run(
                list(words), env=self.commands.environment, **more
            )
        except OSError as error:
            message = f"{words[0]} cannot be started: {error.strerror or error}"
            log(f"ERROR {message}: correct --python, or cmd.sh", output)
            return 127

    def output_of(self, words: Sequence[str]) -> str:
        """Run a command on this machine and return its output.

        Raises:
            Failed: If it fails.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8") as stream:
            status = self.status_of(words, stream, errors=None)
            if status:
                raise Failed(status)
            stream.seek(0)
            return stream.read()

    def submit(
        self,
        how: Sequence[str],
        name: str,
        words: Sequence[str],
        output: Optional[TextIO] = None,
    ) -> None:
        """Run a command through a command of ``cmd.sh``.

        Args:
            how: The command of ``cmd.sh``. Kaldi's scripts (``*.pl``) get the name of a
                log before the command.
            name: Name of the log.
            words: The command.
            output: See :meth:`here`.

        Raises:
            Failed: If it fails.
            UserError: If a job of a Kaldi script fails; it names the log. Or if the
                script cannot write the log.
        """
        if not is_kaldi(how):
            self.here([*how, *words], output)
            return
        file = self._kaldi_log(how, name)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        log(f"Submitted by {' '.join(how)}, log: {file}", output)
        self._logged([*how, file, *for_kaldi(words)], file, output)

    def train(
        self, name: str, words: Sequence[str], output: Optional[TextIO] = None
    ) -> None:
        """Run a training, on several nodes if the recipe asks for it.

        The arguments and errors are those of :meth:`submit`, with ``cuda_cmd``.
        """
        if not self.several_nodes:
            self.submit(self.commands.cuda, name, words, output)
            return
        if self._hosts:  # the shell on the other machine interprets the command
            file, words = self.log_file(name), list(map(shlex.quote, words))
        else:
            file, words = self._kaldi_log(self.commands.cuda, name), for_kaldi(words)
        where = self._hosts or f"{self._num_nodes} nodes"
        log(f"Training on {where}, log: {file}", output)
        nodes = ["--num_nodes", str(self._num_nodes)]
        if self._hosts:
            nodes = ["--host", self._hosts]
        # The launcher adds its own --gpu.
        launcher = " ".join(self.commands.cuda).partition(" --gpu")[0]
        self._logged(
            [
                *(*self._python, "-m", "espnet2.bin.launch"),
                *("--cmd", launcher, "--log", file, "--ngpu", str(self._ngpu)),
                *(*nodes, "--init_file_prefix", f"{self._expdir}/.dist_init_"),
                *("--envfile", "path.sh", "--", *words),
            ],
            file,
            output,
        )

    def _kaldi_log(self, how: Sequence[str], name: str) -> str:
        """Return the path of a log that a script of Kaldi writes.

        Raises:
            UserError: If the script would not write there.
        """
        file = self.log_file(name)
        if not is_kaldi_path(file):
            raise UserError(
                f"--expdir {self._expdir}: {' '.join(how)} cannot write a log whose "
                "path has spaces or other special characters: choose another --expdir "
                "(or --tag), or cmd_backend=local"
            )
        return file

    def _logged(
        self, words: Sequence[str], file: str, output: Optional[TextIO]
    ) -> None:
        if self.status_of(words, output):
            print("".join(_tail(file)), end="", file=output or sys.stderr, flush=True)
            raise UserError(f"the command failed: its log is {file}")

    def beside(
        self,
        jobs: Mapping[str, Callable[[TextIO], None]],
        most: int,
        work: Callable[[], None],
    ) -> None:
        """Run jobs in parallel with other work; each job has its own log.

        Args:
            jobs: Functions by the name of their log; each is called with the open log.
            most: Largest number of jobs at the same time.
            work: The other work.

        Raises:
            UserError: If a job or the work failed. It is raised after all jobs in
                progress have ended; after a failure no further job starts.
        """
        waiting, failed = deque(jobs.items()), []

        def worker() -> None:
            while waiting and not failed:
                name, job = waiting.popleft()
                file = Path(self.log_file(name))
                try:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with open(file, "w", encoding="utf-8") as stream:
                        job(stream)
                except (Failed, UserError):
                    failed.append(name)
                    print("".join(_tail(file)), end="", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(max(1, most)) as pool:
            workers = [pool.submit(worker) for _ in range(min(most, len(jobs)))]
            try:
                work()
            except (Failed, UserError) as error:
                failed.append("")
                if isinstance(error, UserError):
                    log(f"ERROR {error}")
            for one in workers:
                one.result()
        self.check()
        if failed:
            raise UserError(
                "a training of this stage failed: correct what its log names and run "
                "the same command again; finished trainings are not repeated"
            )


def _tail(file: str) -> list[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return list(deque(stream, _SHOWN))
    except OSError:
        return []
