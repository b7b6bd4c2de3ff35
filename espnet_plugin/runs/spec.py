"""The content of ``experiments.yaml`` of a recipe."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Mapping, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.options import read_options
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
    if not path.is_file():
        raise UserError(f"{path} is missing: give the recipe's experiments.yaml")
    content = read_yaml(path)
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
    _known(spec.default, groups, f"{path}: default")
    for size in spec.sizes:
        try:
            Shape.parse(str(size))
        except UserError as error:
            raise UserError(f"{path}: sizes {error}") from error
    for name, row in spec.rows.items():
        _known(row.after, set(spec.rows), f"{path}: rows.{name}.after")
    return spec


def _known(names: Sequence[str], known: set, where: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(f"{where} {name!r}: choose from {', '.join(sorted(known))}")
