"""Commands of stages, run where ``cmd.sh`` says."""

import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence, TextIO

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.interrupts import Interrupts
from espnet_plugin.recipe.shell import Commands, is_kaldi

__all__ = ["Failed", "Runner", "log"]

_SHOWN = 20  # last lines of a log


def log(message: str, stream: Optional[TextIO] = None) -> None:
    """Print a line with the time of day, to standard error or elsewhere."""
    stamp = time.strftime("%H:%M:%S")
    print(stamp, message, file=stream or sys.stderr, flush=True)


class Failed(Exception):
    """A command failed, and said itself why.

    Attributes:
        status: Its exit status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


class Runner:
    """Runs commands, each to its end.

    Args:
        commands: The commands that ``cmd.sh`` sets.
        expdir: Its ``log`` gets the logs of what runs elsewhere.
        log_suffix: End of the logs' names.
        interrupts: What notes signals meanwhile.
        python: The words that run Python.
        ngpu: GPUs on each node.
        num_nodes: Nodes of a training.
        hosts: Names of the nodes, in place of their number.
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
        """Return the words that run a command of this plugin."""
        return [*self._python, "-m", f"espnet_plugin.bin.{module}", *options]

    def log_file(self, name: str) -> str:
        """Return the log of a command that does not write to the terminal."""
        return f"{self._expdir}/log/{name}{self._suffix}.log"

    def check(self) -> None:
        """Stop if a signal asked for it."""
        self._interrupts.check()

    def here(self, words: Sequence[str], output: Optional[TextIO] = None) -> None:
        """Run a command on this machine.

        Args:
            words: The command.
            output: Gets its output and errors; None: those of this process.

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
            errors: Where its errors go if there is an output: beside it, or, with None,
                to those of this process.
        """
        more = {} if output is None else {"stdout": output, "stderr": errors}
        try:
            return self._interrupts.run(
                list(words), env=self.commands.environment, **more
            )
        except OSError as error:
            message = f"{words[0]} cannot be run: {error.strerror or error}"
            log(f"ERROR {message}: correct --python, or cmd.sh", output)
            return 127

    def output_of(self, words: Sequence[str]) -> str:
        """Run a command on this machine; return what it prints.

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
        """Run a command through words of ``cmd.sh``.

        Args:
            how: These words. Kaldi's scripts get a log's name before the command.
            name: Name of the log.
            words: The command.
            output: See :meth:`here`.

        Raises:
            Failed: If it fails.
            UserError: If a job of Kaldi's scripts fails: naming its log.
        """
        if not is_kaldi(how):
            self.here([*how, *words], output)
            return
        file = self.log_file(name)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        log(f"Submitted by {' '.join(how)}, log: {file}", output)
        self._logged([*how, file, *words], file, output)

    def train(
        self, name: str, words: Sequence[str], output: Optional[TextIO] = None
    ) -> None:
        """Run a training, on several nodes if that is wanted; see :meth:`submit`."""
        if not self.several_nodes:
            self.submit(self.commands.cuda, name, words, output)
            return
        file = self.log_file(name)
        where = self._hosts or f"{self._num_nodes} nodes"
        log(f"Training on {where}, log: {file}", output)
        nodes = ["--num_nodes", str(self._num_nodes)]
        if self._hosts:
            nodes = ["--host", self._hosts]
        # What cuda_cmd says of GPUs the launcher says as well.
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

    def _logged(
        self, words: Sequence[str], file: str, output: Optional[TextIO]
    ) -> None:
        if self.status_of(words, output):
            print("".join(_tail(file)), end="", file=output or sys.stderr, flush=True)
            raise UserError(f"see {file}")

    def beside(
        self,
        jobs: Mapping[str, Callable[[TextIO], None]],
        most: int,
        work: Callable[[], None],
    ) -> None:
        """Run jobs, each with its log, beside other work.

        Args:
            jobs: By the name of the log, each called with the opened log.
            most: Jobs at a time.
            work: What is done meanwhile.

        Raises:
            UserError: If any of it failed, once all that was started has ended. After a
                failure no other job begins.
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
                "a training of this stage failed: run the same command again, what is "
                "finished is not done again"
            )


def _tail(file: str) -> list[str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return list(deque(stream, _SHOWN))
    except OSError:
        return []
