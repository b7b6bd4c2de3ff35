"""The content of ``experiments.yaml`` of a recipe."""

import shlex
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Mapping, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.options import MOST_SEED, read_options
from espnet_plugin.shape import Shape
from espnet_plugin.yaml_files import read_yaml

__all__ = ["PlanSpec", "RowSpec", "TableSpec", "read_spec"]


@dataclass(frozen=True)
class RowSpec:
    """One row of a table, trained once for each seed.

    Attributes:
        options: Options of the recipe's ``run.sh``. ``{seed}``, ``{first}`` (the first
            seed) and the names in ``each`` are replaced by values.
        group: Group of the row, which ``--rows`` selects.
        after: Rows that have to be finished first, with the same seed if they have it.
        each: Lists of values by name; there is one job for every combination.
        seeds: Seeds of this row; ``first`` for only one; by default all.
        leaves: Patterns of the folders with finished models that the job writes.
        expdir: Folder of the models, if it is not the recipe's own. The statistics are
            shared.
    """

    options: str
    group: str = "main"
    after: Sequence[str] = ()
    each: Mapping[str, Any] = field(default_factory=dict)
    seeds: Union[None, Literal["first"], Sequence[int]] = None
    leaves: Sequence[str] = ()
    expdir: Optional[str] = None


@dataclass(frozen=True)
class TableSpec:
    """One file with tables, made when its rows are finished.

    Attributes:
        options: Options of ``run.sh``, as for a row.
        groups: Groups of rows in the table; it is made if one of them was requested.
        expdir: Folder of the models, as for a row.
        compare: Pairs of rows to compare, named as in the tables; ``{size}`` is
            replaced by each of the plan's ``sizes``. A pair is left out if one of its
            rows is missing.
    """

    options: str
    groups: Sequence[str]
    expdir: Optional[str] = None
    compare: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class PlanSpec:
    """The content of the file.

    Attributes:
        rows: Rows by name.
        tables: Tables by name.
        seeds: Seeds of the rows without own seeds.
        default: Groups that are trained by default.
        prepare: Options of the call that prepares the data.
        sizes: Sizes in the comparisons: layers, or layers x width such as ``4x72``.
    """

    rows: Mapping[str, RowSpec]
    tables: Mapping[str, TableSpec]
    seeds: Sequence[int] = (1,)
    default: Sequence[str] = ("main",)
    prepare: Optional[str] = None
    sizes: Sequence[Union[int, str]] = ()


def read_spec(path: Path) -> PlanSpec:
    """Read ``experiments.yaml``.

    Raises:
        UserError: If the file is missing or not YAML, or a key is unknown, missing or
            has a value of the wrong type.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the file with the plan in it")
    if not path.is_file():
        raise UserError(
            f"{path} is missing: write it (docs/recipes.md, 'The rows of a table', "
            "has an example), or give the path of another one"
        )
    content = read_yaml(path, "the plan")
    for part in "rows", "tables":
        if not isinstance(content.get(part, {}), Mapping):
            raise UserError(f"{path}: {part} must be a mapping from names to values")
    content["rows"] = {
        str(name): read_options(RowSpec, row, f"{path}: rows.{name}")
        for name, row in content.get("rows", {}).items()
    }
    content["tables"] = {
        str(name): read_options(TableSpec, table, f"{path}: tables.{name}")
        for name, table in content.get("tables", {}).items()
    }
    spec = read_options(PlanSpec, content, str(path))
    if not spec.rows:
        raise UserError(f"{path}: rows must name at least one row")
    groups = {row.group for row in spec.rows.values()}
    for name, table in spec.tables.items():
        _known(table.groups, groups, f"{path}: tables.{name}.groups")
        for pair in table.compare:
            if len(pair) != 2:
                raise UserError(
                    f"{path}: tables.{name}.compare {pair!r}: must be a list of two "
                    "rows"
                )
            for row in pair:
                _only_size(row, f"{path}: tables.{name}.compare")
    _known(spec.default, groups, f"{path}: default")
    for size in spec.sizes:
        try:
            Shape.parse(str(size))
        except UserError as error:
            raise UserError(f"{path}: sizes {error}") from error
    for name, row in spec.rows.items():
        _known(row.after, set(spec.rows), f"{path}: rows.{name}.after")
        _check_row(row, f"{path}: rows.{name}")
    _check_seeds(spec.seeds, f"{path}: seeds")
    _split(spec.prepare or "", f"{path}: prepare")
    for name, table in spec.tables.items():
        _split(table.options, f"{path}: tables.{name}.options")
    return spec


def _check_row(row: RowSpec, where: str) -> None:
    if not row.group.strip():
        raise UserError(f"{where}.group {row.group!r}: must have a name for --rows")
    words = _split(row.options, f"{where}.options")
    if any(word.partition("=")[0] == "--expdir" for word in words):
        raise UserError(
            f"{where}.options: --expdir cannot be given here: write it as the key "
            "expdir of the row"
        )
    if row.seeds not in (None, "first"):
        _check_seeds(row.seeds, f"{where}.seeds")
    for key, values in row.each.items():
        named = f"{where}.each.{key}"
        if key in ("seed", "first"):
            raise UserError(
                f"{named}: {{{key}}} has a value already: choose another name, or "
                f"give the row's seeds with the key seeds"
            )
        if not isinstance(values, list) or not values:
            raise UserError(f"{named} {values!r}: must be a list of one or more values")
        for value in values:
            # YAML reads on, off, yes and no as true and false.
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                raise UserError(
                    f"{named} {value!r}: must be text or a number; in YAML, write "
                    "words such as on, no and null in quotes"
                )
    for pattern in row.leaves:
        parts = Path(pattern).parts
        if not parts or Path(pattern).is_absolute() or ".." in parts:
            raise UserError(
                f"{where}.leaves {pattern!r}: must be a pattern of folders in the "
                "row's expdir, e.g. asr_encrl_s{seed}_*"
            )


def _only_size(row: str, where: str) -> None:
    """Refuse what a comparison cannot fill in, before the trainings."""
    try:
        named = {field for _, field, _, _ in string.Formatter().parse(row)}
    except ValueError as error:
        raise UserError(f"{where} {row!r}: {error}") from error
    if unknown := named - {None, "size"}:
        raise UserError(
            f"{where} {row!r}: {{{unknown.pop()}}} is not a known placeholder; choose "
            "from {size}"
        )


def _check_seeds(seeds: Sequence[int], where: str) -> None:
    if not seeds or min(seeds) < 0 or max(seeds) > MOST_SEED:
        raise UserError(
            f"{where} {list(seeds)}: must be one or more numbers from 0 to {MOST_SEED}"
        )


def _split(options: str, where: str) -> list[str]:
    try:
        return shlex.split(options)
    except ValueError as error:
        raise UserError(
            f"{where} {options!r}: {str(error).lower()}: close the quotation mark, or "
            "write it as \\'"
        ) from error


def _known(names: Sequence[str], known: set, where: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{where} {name!r}: choose from {', '.join(sorted(known))}")
