"""Rows of the table: compressions and controls."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Literal, Mapping, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.lm.shape import LMShape
from espnet_plugin.options import read_options
from espnet_plugin.yaml_files import read_yaml

__all__ = ["Compression", "Control", "Further", "Row", "check_rows", "read_row"]

_CRITERIA = {
    "structured": ("magnitude", "first_order"),
    "low_rank": ("magnitude", "activations", "first_order"),
}


@dataclass(frozen=True)
class Compression:
    """A dense model made smaller, in one step or in several.

    Attributes:
        method: ``structured``: heads and feed-forward units are cut out. ``low_rank``:
            every matrix of a block becomes a product of two.
        keep: Decreasing shares of the blocks' weights that are kept, one for each step.
            One share is one-shot compression; several are incremental and give a model
            each.
        epochs: Total epochs of fine-tuning in all steps.
        criterion: Criterion of importance; see :mod:`espnet_plugin.lm.compress`.
        parts: What ``structured`` removes: ``units``, ``heads`` or ``both``.

    Raises:
        UserError: If a value is out of range, or the method does not have the
        criterion.
    """

    method: Literal["structured", "low_rank"]
    keep: Sequence[float]
    epochs: int
    criterion: Literal["magnitude", "first_order", "activations"] = "first_order"
    parts: Literal["units", "heads", "both"] = "both"

    def __post_init__(self):
        if self.criterion not in _CRITERIA[self.method]:
            raise UserError(
                f"criterion {self.criterion}: method {self.method} supports "
                f"{', '.join(_CRITERIA[self.method])}"
            )
        keep = list(self.keep)
        if not keep or not all(0.0 < share < 1.0 for share in keep):
            raise UserError(
                f"keep {keep}: must be one or several shares, each above 0 and below "
                "1 (0.25 is 75 % sparsity)"
            )
        if any(later >= earlier for earlier, later in zip(keep, keep[1:])):
            raise UserError(
                f"keep {keep}: each step must keep less than the one before"
            )
        if self.epochs < len(keep):
            raise UserError(
                f"epochs {self.epochs}: must be at least one for each of {len(keep)} "
                "steps"
            )

    @property
    def schedule(self) -> str:
        """``one_shot`` or ``incremental``."""
        return "one_shot" if len(self.keep) == 1 else "incremental"

    def step_epochs(self, step: int) -> int:
        """Return the epochs after a step (from 0); the last step gets the remainder."""
        each = self.epochs // len(self.keep)
        last = step == len(self.keep) - 1
        return self.epochs - each * (len(self.keep) - 1) if last else each

    def shape(self, dense: LMShape, step: int) -> LMShape:
        """Return the sizes after a step.

        Raises:
            UserError: If no sizes have this share of weights.
        """
        if self.method == "low_rank":
            return dense.factored(self.keep[step])
        return dense.cut(self.keep[step], self.parts)


@dataclass(frozen=True)
class Control:
    """A small model trained from random weights, with the size and cost of another.

    Attributes:
        like: Row of the model with the same sizes. The control is trained with as many
            operations as that model took in total, including the training of the dense
            model.
        keep: Share of weights, which selects one of the row's models.
        method: ``scratch``.
    """

    like: str
    keep: float
    method: Literal["scratch"] = "scratch"


@dataclass(frozen=True)
class Further:
    """The dense model, trained further like a compressed one, but not compressed.

    Attributes:
        epochs: Epochs of fine-tuning.
        method: ``further``.

    Raises:
        UserError: If there is no epoch.
    """

    epochs: int
    method: Literal["further"] = "further"

    def __post_init__(self):
        if self.epochs < 1:
            raise UserError(f"epochs {self.epochs}: at least one")


Row = Union[Compression, Control, Further]

_KINDS = {"scratch": Control, "further": Further}


def read_row(path: Path) -> Row:
    """Read a row's file.

    Raises:
        UserError: If it is missing, or has unknown options or values out of range.
    """
    given = read_yaml(path, "--rows")
    kind = _KINDS.get(str(given.get("method")), Compression)
    if isinstance(given.get("keep"), (int, float)) and kind is Compression:
        given["keep"] = [given["keep"]]
    return read_options(kind, given, f"--rows {path}: row")


def check_rows(
    rows: Mapping[str, Row],
    finished: Callable[[str, float], bool],
    dense: Optional[LMShape] = None,
) -> None:
    """Check before the first training what rows need of each other and of the model.

    Args:
        rows: The rows of this call, by name.
        finished: Whether an earlier call has made the model of a row and a share.
        dense: Sizes of the dense model; None: they are not known yet.

    Raises:
        UserError: If a control is like a model that there will not be, the model cannot
            have the sizes of a row, or two steps of a row have the same sizes.
    """
    for name, row in rows.items():
        if isinstance(row, Control):
            _check_control(name, row, rows.get(row.like), finished)
        elif isinstance(row, Compression) and dense is not None:
            _check_sizes(name, row, dense)


def _check_control(
    name: str,
    row: Control,
    like: Optional[Row],
    finished: Callable[[str, float], bool],
) -> None:
    where = f"--rows {name}: like {row.like}, keep {row.keep:g}"
    if isinstance(like, Compression):
        if row.keep not in like.keep:
            shares = ", ".join(f"{share:g}" for share in like.keep)
            raise UserError(f"{where}: that row makes models with keep {shares}")
    elif like is not None:
        raise UserError(f"{where}: that row is not a compression")
    elif not finished(row.like, row.keep):
        raise UserError(
            f"{where}: there is no such model: name that row in --rows as well"
        )


def _check_sizes(name: str, row: Compression, dense: LMShape) -> None:
    before = dense
    for step, keep in enumerate(row.keep):
        try:
            shape = row.shape(dense, step)
        except UserError as error:
            raise UserError(f"--rows {name}: {error}") from error
        if shape == before:
            than = f"keep {row.keep[step - 1]:g}" if step else "the dense model"
            raise UserError(
                f"--rows {name}: keep {keep:g} leaves the same sizes as {than}: choose "
                "a smaller share"
            )
        before = shape
