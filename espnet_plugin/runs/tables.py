"""The tables of a plan: their comparisons, and the call that makes them."""

import shlex
from pathlib import Path
from typing import Iterable, Sequence, Union

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.results.size import size_text
from espnet_plugin.runs.plan import fill_in
from espnet_plugin.runs.spec import PlanSpec, TableSpec
from espnet_plugin.shape import Shape

__all__ = ["comparisons", "labels", "table_words", "wanted_tables"]


def wanted_tables(spec: PlanSpec, groups: Sequence[str]) -> dict[str, TableSpec]:
    """Return the tables that show one of the groups."""
    return {n: t for n, t in spec.tables.items() if set(t.groups) & set(groups)}


def labels(expdir: Path) -> set[str]:
    """Return the names that finished models in a folder will have in the tables."""
    metas = (Experiment(path).find_meta() for path in sorted(expdir.glob("asr_*")))
    return {_label(meta) for meta in metas if meta}


def _label(meta: Meta) -> str:
    shape = Shape(meta.size or meta.layers or 0, meta.size_width)
    size = size_text(meta.layers or 0, shape)
    return _plain(f"{meta.method} {meta.variant} {size}")


def comparisons(
    table: TableSpec, sizes: Iterable[Union[int, str]], known: set[str]
) -> list[tuple[str, str]]:
    """Return the pairs of existing rows, for all sizes.

    Raises:
        UserError: If a name has a placeholder other than ``{size}``.
    """
    pairs = []
    for pair in table.compare:
        for size in sizes or [""]:
            one, other = (fill_in(row, {"size": size}, "compare") for row in pair)
            if {_plain(one), _plain(other)} <= known and (one, other) not in pairs:
                pairs.append((one, other))
    return pairs


def table_words(table: TableSpec, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return the options of ``run.sh`` that make a table."""
    words = shlex.split(table.options)
    if pairs:
        compare = [word for pair in pairs for word in ("--compare", *pair)]
        words += ["--report_opts", shlex.join(compare)]
    return words


def _plain(label: str) -> str:
    return " ".join(word for word in label.split() if word not in ("-", "None"))
