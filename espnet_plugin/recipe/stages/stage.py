"""The stages of a recipe: what each needs, runs and writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Generic, Iterable, Sequence, TypeVar

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.trainings import PlannedTraining
from espnet_plugin.recipe.runner import Runner, log

__all__ = ["Need", "Stage", "check_first_needs", "run_stages"]

T = TypeVar("T")


@dataclass(frozen=True)
class Need:
    """An input of a stage.

    Attributes:
        file: Path of the file.
        stage: Number of the stage that writes it.
    """

    file: str
    stage: int

    def check(self) -> None:
        """Check that the file exists.

        Raises:
            UserError: If it is missing; with the stage that writes it.
        """
        if not Path(self.file).exists():
            # A corpus of one's own needs no script for stage 1.
            or_so = ", or put a Kaldi data folder there" if self.stage == 1 else ""
            raise UserError(
                f"{self.file} is missing: run stage {self.stage} first (--stage "
                f"{self.stage}){or_so}"
            )


@dataclass(frozen=True)
class Stage(Generic[T]):
    """One stage of a family of recipes, for an experiment of type ``T``.

    Attributes:
        number: Number in ``--stage``.
        name: What the stage does, in a few words.
        leaves: What it writes, in a few words.
        needs: Function that returns the inputs, which must exist.
        work: Function that runs the commands.
        detail: Function that returns what the log adds to the name.
        applies: Function that returns whether there is anything to do.
        otherwise: What is logged if there is nothing to do; nothing if empty.
        trainings: Function that returns the trainings that the commands start, for the
            dry run and for checks before the first of them.
    """

    number: int
    name: str
    leaves: str
    needs: Callable[[T], Iterable[Need]]
    work: Callable[[T, Runner], None]
    detail: Callable[[T], str] = lambda experiment: ""
    applies: Callable[[T], bool] = lambda experiment: True
    otherwise: str = ""
    trainings: Callable[[T], Sequence[PlannedTraining]] = lambda experiment: ()

    def run(self, experiment: T, runner: Runner) -> None:
        """Check the inputs of the stage and run it.

        Raises:
            UserError: If an input is missing; with the stage that writes it.
            Failed: If a command fails.
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
    """Run those stages whose numbers are from ``first`` to ``last``."""
    for stage in stages:
        if first <= stage.number <= last:
            stage.run(experiment, runner)


def check_first_needs(
    stages: Sequence[Stage[T]], first: int, last: int, experiment: T
) -> None:
    """Check what the first chosen stage needs, before checks that take seconds.

    Args:
        stages: All stages.
        first: Number of the first chosen stage.
        last: Number of the last one.
        experiment: What the stages are run for.

    Raises:
        UserError: If an input is missing that an earlier stage writes.
    """
    chosen = (one for one in stages if first <= one.number <= last)
    stage = next((one for one in chosen if one.applies(experiment)), None)
    for need in stage.needs(experiment) if stage else ():
        if need.stage < first:
            need.check()
