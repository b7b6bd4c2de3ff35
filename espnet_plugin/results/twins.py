"""Models that a table could not tell apart, noticed before one of them is trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.results.size import variant_and_size
from espnet_plugin.shape import Shape

__all__ = ["PlannedModel", "check_planned"]


@dataclass(frozen=True)
class PlannedModel:
    """A model that is to be trained.

    Attributes:
        folder: Its folder.
        method: Name of the method in the tables.
        variant: Name of the variant in the tables; empty for the main one.
        size: Its size.
        seed: Seed of the training.
    """

    folder: Path
    method: str
    variant: str
    size: Shape
    seed: int


def check_planned(planned: Sequence[PlannedModel], ways_out: tuple[str, str]) -> None:
    """Check planned models against the finished ones beside them.

    Args:
        planned: The models; finished ones may be among them.
        ways_out: What to change if another folder has the same row of the tables, and
            if a planned folder holds a model of another method.

    Raises:
        UserError: If so; it names both folders, and what they have in common.
    """
    same_row, same_folder = ways_out
    for beside in {one.folder.parent for one in planned}:
        for folder, meta in _models(beside):
            for one in planned:
                if folder == one.folder and meta.method not in (None, one.method):
                    raise UserError(
                        f"{folder} is a model of the method {meta.method}, but "
                        f"{one.method} would be trained into the same folder: "
                        f"{same_folder}"
                    )
                if folder != one.folder and _is_same_row(meta, one):
                    raise UserError(
                        f"{one.folder} would be {_row(one)}, which {folder} already "
                        "is, so that the tables could not tell them apart: "
                        f"{same_row}"
                    )


def _models(beside: Path) -> Iterator[tuple[Path, Meta]]:
    """Yield the finished models of a folder of experiments, without links to others."""
    # Other folders in it, such as a teacher cache, have a meta.json of another form.
    for file in sorted(beside.glob("asr_*/meta.json")):
        if file.parent.is_symlink():
            continue
        try:
            meta = Experiment(file.parent).find_meta()
        except UserError:  # a damaged file: what reads that model names it
            continue
        if meta is not None and not meta.serves_models:
            yield file.parent, meta


def _is_same_row(meta: Meta, one: PlannedModel) -> bool:
    variant, size = variant_and_size(meta.variant, meta.layers or 0, meta.size)
    there = meta.method, variant, Shape(size, meta.size_width), meta.seed
    return there == (one.method, one.variant, one.size, one.seed)


def _row(one: PlannedModel) -> str:
    name = f"{one.method} {one.variant}".strip()
    return f"{name!r} with {one.size.in_words} and seed {one.seed}"
