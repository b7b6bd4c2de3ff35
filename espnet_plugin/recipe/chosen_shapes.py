"""The file ``shapes.json``: the shapes that were tried and chosen for each budget.

It has ``trials``, ``trial_epochs`` and a list ``budgets``, in which each entry has the
budget, the candidates that fit it, the trials with their results on the development
set, and the chosen shape.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.files import read_json, write_json
from espnet_plugin.shape import Shape

__all__ = [
    "BY_ERRORS",
    "BY_LOSS",
    "SHAPES_FILE",
    "Choice",
    "Trial",
    "TrialRule",
    "chosen_sizes",
    "find_chosen",
    "read_chosen",
    "write_chosen",
]

SHAPES_FILE = "shapes.json"
# The figure by which trials are compared.
BY_ERRORS, BY_LOSS = "character error rate on dev", "loss on dev"


@dataclass(frozen=True)
class TrialRule:
    """How many shapes are tried for which budgets, and for how long.

    Attributes:
        budgets: The budgets; one model is chosen for each.
        trials: Number of shapes to try for each budget.
        epochs: Number of epochs of each trial.
    """

    budgets: tuple[Budget, ...]
    trials: int
    epochs: int


@dataclass(frozen=True)
class Trial:
    """The result of a short training of one shape.

    Attributes:
        size: The shape, as options write it.
        params: Number of parameters.
        macs_per_second: Multiply-adds per second of audio.
        dev_cer: Lowest character error rate on dev of any epoch, in percent; None if
            there are no transcripts.
        dev_loss: Lowest loss on dev of any epoch.
        train_seconds: Duration of the training in seconds; None if unknown.
        folder: Name of the training's folder.
    """

    size: str
    params: int
    macs_per_second: float
    dev_cer: Optional[float]
    dev_loss: Optional[float]
    train_seconds: Optional[float]
    folder: str


@dataclass(frozen=True)
class Choice:
    """The shape for one budget.

    Attributes:
        budget: The budget.
        candidates: All shapes that fit the budget, as options write them.
        tried: The trials.
        chosen: Size of the best trial.
        by: The figure that was compared, in words.
    """

    budget: Budget
    candidates: tuple[str, ...]
    tried: tuple[Trial, ...]
    chosen: str
    by: str

    def in_words(self) -> str:
        """Return a line for the log: the choice, and the figure of each trial."""
        figures = ", ".join(f"{one.size} {self._figure(one)}" for one in self.tried)
        return f"{self.budget}: {self.chosen}, by the {self.by} ({figures})"

    def _figure(self, trial: Trial) -> str:
        if self.by == BY_ERRORS:
            return "?" if trial.dev_cer is None else f"{trial.dev_cer:.1f} %"
        return "?" if trial.dev_loss is None else f"{trial.dev_loss:.4g}"


def write_chosen(path: Path, rule: TrialRule, choices: Sequence[Choice]) -> None:
    """Write the file.

    Args:
        path: The file.
        rule: How the shapes were tried.
        choices: The choice for each budget.
    """
    budgets: list[dict[str, Any]] = [
        {
            "budget": one.budget.text,
            "chosen": one.chosen,
            "by": one.by,
            "tried": [asdict(trial) for trial in one.tried],
            "candidates": list(one.candidates),
        }
        for one in choices
    ]
    content = {"trials": rule.trials, "trial_epochs": rule.epochs, "budgets": budgets}
    write_json(path, content)


def read_chosen(path: Path, rule: TrialRule) -> tuple[Choice, ...]:
    """Return the choice for each budget.

    Args:
        path: The file.
        rule: How the shapes have to have been tried.

    Raises:
        UserError: If the file is missing or was made with a different rule.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing: stage 5 chooses the sizes for --budget and writes "
            "them to this file: run that first (--stage 5)"
        )
    content = read_json(path)
    for option, there, wanted in _rules(content, rule):
        if there != wanted:
            raise UserError(
                f"{path} was made with {option} {there}, not {wanted}: give {option} "
                f"{there}, or run stage 5 again"
            )
    return tuple(
        Choice(
            Budget.parse(one["budget"]),
            tuple(one["candidates"]),
            tuple(Trial(**trial) for trial in one["tried"]),
            one["chosen"],
            one["by"],
        )
        for one in content["budgets"]
    )


def find_chosen(path: Path, rule: TrialRule) -> Optional[tuple[Choice, ...]]:
    """Return the choices; None if there are none, or by a different rule."""
    if not path.is_file():
        return None
    rules = _rules(read_json(path), rule)
    same = all(there == wanted for _, there, wanted in rules)
    return read_chosen(path, rule) if same else None


def chosen_sizes(choices: Sequence[Choice]) -> tuple[Shape, ...]:
    """Return the chosen sizes; one that was chosen several times appears once."""
    return tuple(Shape.parse(one) for one in dict.fromkeys(c.chosen for c in choices))


def _rules(content: dict[str, Any], rule: TrialRule) -> list[tuple[str, Any, Any]]:
    """Return each option with its value in the file and the wanted value."""
    made = " ".join(one["budget"] for one in content["budgets"])
    return [
        ("--budget", made, " ".join(map(str, rule.budgets))),
        ("--trials", content["trials"], rule.trials),
        ("--trial_epochs", content["trial_epochs"], rule.epochs),
    ]
