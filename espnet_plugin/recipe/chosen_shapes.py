"""The file that says which shapes were chosen for a budget, and by which figures.

``shapes.json`` holds ``trials``, ``trial_epochs`` and, under ``budgets``, one entry for
each: the budget, the candidates that fit it, those that were tried with what they
reached on dev, and the one chosen.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.estimate.budget import Budget
from espnet_plugin.files import read_json, write_json
from espnet_plugin.shape import Shape

__all__ = ["Choice", "Trial", "TrialRule", "read_chosen", "write_chosen"]


@dataclass(frozen=True)
class TrialRule:
    """What decides which shapes are tried, and for how long.

    Attributes:
        budgets: One model is chosen for each.
        trials: Shapes tried for each budget.
        epochs: Epochs of each trial.
    """

    budgets: tuple[Budget, ...]
    trials: int
    epochs: int


@dataclass(frozen=True)
class Trial:
    """What a brief training of a shape reached.

    Attributes:
        size: The shape, as options write it.
        params: Parameters.
        macs_per_second: Multiply-adds per second of audio.
        dev_cer: Lowest character error rate on dev of any epoch, in percent; None where
            there are no transcripts.
        dev_loss: Lowest loss on dev of any epoch.
        train_seconds: What the training took.
        folder: Name of its folder.
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
        candidates: All shapes that it holds, as options write them.
        tried: The trials.
        chosen: The best one's size.
        by: What was compared, in words.
    """

    budget: Budget
    candidates: tuple[str, ...]
    tried: tuple[Trial, ...]
    chosen: str
    by: str


def write_chosen(path: Path, rule: TrialRule, choices: Sequence[Choice]) -> None:
    """Write the file."""
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


def read_chosen(path: Path, rule: TrialRule) -> list[Shape]:
    """Return the shapes that were chosen, without those that were chosen twice.

    Args:
        path: The file.
        rule: How they were to be chosen.

    Raises:
        UserError: If the file is missing or is of another rule.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing: which sizes --budget means is found out by stage 5, "
            "run that first (--stage 5)"
        )
    content = read_json(path)
    asked = [one.text for one in rule.budgets]
    made = [one["budget"] for one in content["budgets"]]
    for option, there, wanted in (
        ("--budget", " ".join(made), " ".join(asked)),
        ("--trials", content["trials"], rule.trials),
        ("--trial_epochs", content["trial_epochs"], rule.epochs),
    ):
        if there != wanted:
            raise UserError(
                f"{path} was made with {option} {there}, not {wanted}: give the same, "
                "or run stage 5 again"
            )
    chosen = dict.fromkeys(one["chosen"] for one in content["budgets"])
    return [Shape.parse(text) for text in chosen]
