"""What a stage is: what it needs, what it runs, what it leaves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Generic, Iterable, Sequence, TypeVar

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.runner import Runner, log

__all__ = ["Need", "Stage", "run_stages"]

T = TypeVar("T")


@dataclass(frozen=True)
class Need:
    """A file that a stage begins with.

    Attributes:
        file: Its path.
        stage: The stage that makes it.
    """

    file: str
    stage: int

    def check(self) -> None:
        """Refuse to go on without the file.

        Raises:
            UserError: Naming the file and the stage that makes it.
        """
        if not Path(self.file).exists():
            raise UserError(
                f"{self.file} is missing: run stage {self.stage} first (--stage "
                f"{self.stage})"
            )


@dataclass(frozen=True)
class Stage(Generic[T]):
    """One stage of a family of recipes, for an experiment of type ``T``.

    Attributes:
        number: As ``--stage`` names it.
        name: What it does, in a few words.
        leaves: What it leaves, in a few words.
        needs: Returns what has to be there.
        work: Runs its commands.
        detail: Returns what the log says behind the name.
        applies: Returns whether there is anything to do.
        otherwise: What the log says if there is not; nothing if empty.
    """

    number: int
    name: str
    leaves: str
    needs: Callable[[T], Iterable[Need]]
    work: Callable[[T, Runner], None]
    detail: Callable[[T], str] = lambda experiment: ""
    applies: Callable[[T], bool] = lambda experiment: True
    otherwise: str = ""

    def run(self, experiment: T, runner: Runner) -> None:
        """Do the stage.

        Raises:
            UserError: If something is missing, naming the stage that makes it.
        """
        runner.check()
        if not self.applies(experiment):
            if self.otherwise:
                log(f"Stage {self.number}: {self.otherwise}")
            return
        log(f"Stage {self.number}: {self.name}{self.detail(experiment)}")
        for need in self.needs(experiment):
            need.check()
        self.work(experiment, runner)


def run_stages(
    stages: Sequence[Stage[T]], first: int, last: int, experiment: T, runner: Runner
) -> None:
    """Run those of some stages that are wanted."""
    for stage in stages:
        if first <= stage.number <= last:
            stage.run(experiment, runner)
