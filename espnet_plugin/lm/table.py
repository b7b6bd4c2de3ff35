"""The table of compressed language models, as markdown and as JSON."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.lm.record import (
    Decoded,
    LMRecord,
    Measured,
    SetFigures,
    find_models,
)
from espnet_plugin.score.bootstrap import paired_bootstrap

__all__ = [
    "NO_LM",
    "Pair",
    "TABLE_START",
    "TableRow",
    "check_measured",
    "collect",
    "compare",
    "markdown",
    "to_json",
]

NO_LM = "no_lm"

_FIRST_COLUMNS = ("model", "weights kept")
#: How a table of this module begins.
TABLE_START = "| " + " | ".join(_FIRST_COLUMNS)


@dataclass(frozen=True)
class TableRow:
    """A model of the table, with all seeds.

    Attributes:
        row: Name of the row.
        keep: Share of the blocks' weights that was kept.
        records: Records of the seeds.
        measured: Measurements of the seeds, in the same order.
        decoded: Word error rates of the seeds that were decoded, in the same order.
    """

    row: str
    keep: float
    records: Sequence[LMRecord]
    measured: Sequence[Measured]
    decoded: Sequence[Decoded]

    @property
    def name(self) -> str:
        """Name and size, for the comparisons."""
        return self.row if self.keep == 1.0 else f"{self.row} {self.keep:g}"

    def perplexities(self, name: str) -> list[float]:
        """Return the perplexity of each seed on a set."""
        return [one.sets[name].perplexity for one in self.measured]


@dataclass(frozen=True)
class Pair:
    """Comparison of two rows of the same size, on the same sentences and seeds.

    Attributes:
        first: Name of the first row.
        second: Name of the second row.
        ratio: Perplexity of the second divided by that of the first.
        ci95: 95 % interval of the ratio, by a paired bootstrap over sentences with the
            mean over seeds.
        p_value: Two-sided p-value.
        seeds: Seeds that both rows have.
    """

    first: str
    second: str
    ratio: float
    ci95: tuple[float, float]
    p_value: float
    seeds: Sequence[int]

    def sentence(self) -> str:
        """Return the comparison as a sentence."""
        low, high = self.ci95
        shown = "no difference shown"
        if self.p_value < 0.05:
            shown = f"{self.second if self.ratio < 1 else self.first} is better"
        return (
            f"{self.first} against {self.second}: perplexity x {self.ratio:.3f} "
            f"[{low:.3f}, {high:.3f}], {shown}"
        )


def collect(exp_dir: Path, left_out: Mapping[Path, str] = {}) -> list[TableRow]:
    """Gather the finished and measured models below a folder, row by row.

    Args:
        exp_dir: Folder of all experiments.
        left_out: Folders of models that are not to be in the table, with the reasons.

    Raises:
        UserError: If there is none.
    """
    groups: dict[tuple[str, float], list[Path]] = {}
    for folder in find_models(exp_dir):
        if folder in left_out:
            continue
        record = LMRecord.read(folder)
        groups.setdefault((record.row, record.keep), []).append(folder)
    if not groups and left_out:
        folder, why = next(iter(left_out.items()))
        raise UserError(f"no language model is left: {folder}: {why}")
    if not groups:
        raise UserError(
            f"{exp_dir} has no finished language model: run stages 4 to 6 first"
        )
    return [
        TableRow(
            row,
            keep,
            [LMRecord.read(one) for one in folders],
            [Measured.read(one) for one in folders],
            [found for one in folders if (found := Decoded.find(one)) is not None],
        )
        for (row, keep), folders in groups.items()
    ]


def check_measured(rows: Sequence[TableRow], test_set: str) -> None:
    """Check that all models were measured on the test set, with the same text.

    Raises:
        UserError: If one was not.
    """
    kept: Optional[SetFigures] = None
    for row in rows:
        for record, measured in zip(row.records, row.measured):
            who = f"{row.name}, seed {record.seed}"
            found = measured.sets.get(test_set)
            if found is None:
                raise UserError(
                    f"{who}: was not measured on the set {test_set!r}, but on "
                    f"{', '.join(measured.sets)}: run stages 3 and 6 with --test_sets "
                    f"{test_set}, or name another set"
                )
            kept = kept or found
            same = (found.names, found.tokens) == (kept.names, kept.tokens)
            if not same:
                raise UserError(
                    f"{who}: was measured on another text of the set {test_set} than "
                    "others of the table: run stage 6 again, with all --seeds"
                )


def compare(rows: Sequence[TableRow], name: str) -> list[Pair]:
    """Compare all pairs of rows of the same size on a set, on their common seeds."""
    pairs = []
    for index, first in enumerate(rows):
        for second in rows[index + 1 :]:
            if first.keep == second.keep:
                pair = _pair(first, second, name)
                pairs += [pair] if pair is not None else []
    return pairs


def _pair(first: TableRow, second: TableRow, name: str) -> Optional[Pair]:
    figures = [
        {r.seed: m.sets[name] for r, m in zip(one.records, one.measured)}
        for one in (first, second)
    ]
    seeds = sorted(figures[0].keys() & figures[1].keys())
    if not seeds:
        return None
    tokens = figures[0][seeds[0]].tokens
    mean_nll = [
        [fmean(values) for values in zip(*(one[seed].nll for seed in seeds))]
        for one in figures
    ]
    # The difference is in hundredths of a nat per token; exp gives the ratio.
    found = paired_bootstrap(*mean_nll, tokens)
    low, high = (math.exp(one / 100) for one in found.ci95)
    ratio = math.exp(found.difference / 100)
    return Pair(first.name, second.name, ratio, (low, high), found.p_value, seeds)


def markdown(
    rows: Sequence[TableRow],
    pairs: Sequence[Pair],
    test_set: str,
    without_lm: Optional[Decoded] = None,
    left_out: Mapping[Path, str] = {},
) -> str:
    """Return the table, followed by the comparisons of rows of the same size.

    Columns without any measurement are left out.

    Args:
        rows: The models.
        pairs: See :func:`compare`.
        test_set: Name of the test set.
        without_lm: Word error rate of the same search without a language model.
        left_out: Folders of models that are not in the table, with the reasons.
    """
    decoded = any(row.decoded for row in rows)
    timed = any(m.ms_per_token is not None for row in rows for m in row.measured)
    head = [*_FIRST_COLUMNS, "parameters", "file (kB)", "plain ESPnet", "seeds"]
    head += ["PPL dev when cut", "PPL dev", f"PPL {test_set}"]
    head += ["ms/token"] * timed + [f"WER % {test_set}", "LM weight"] * decoded
    head += ["operations (1e12)", "CPU s"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    if decoded and without_lm is not None:
        cells = ["none", *[""] * (len(head) - 1)]
        cells[head.index(f"WER % {test_set}")] = f"{without_lm.wer:.1f}"
        lines.append("| " + " | ".join(cells) + " |")
    for row in rows:
        lines.append("| " + " | ".join(_cells(row, test_set, timed, decoded)) + " |")
    if pairs:
        lines += ["", f"Rows of one size on {test_set}, in pairs:", ""]
        lines += [f"* {pair.sentence()}" for pair in pairs]
    if left_out:
        lines += ["", "Left out:", ""]
        lines += [f"* {folder.name}: {why}" for folder, why in left_out.items()]
    return "\n".join(lines) + "\n"


def _cells(row: TableRow, test_set: str, timed: bool, decoded: bool) -> list[str]:
    record = row.records[0]
    cuts = [m.cut_perplexity for m in row.measured if m.cut_perplexity is not None]
    cells = [
        row.row,
        f"{row.keep:.0%}",
        f"{record.parameters:,}",
        f"{row.measured[0].file_bytes / 1000:.0f}",
        "yes" if record.plain else "launcher",
        " ".join(str(r.seed) for r in row.records),
        _spread(cuts, 2),
        _spread(row.perplexities("valid"), 2),
        _spread(row.perplexities(test_set), 2),
    ]
    if timed:
        times = [m.ms_per_token for m in row.measured if m.ms_per_token is not None]
        cells.append(_spread(times, 3))
    if decoded:
        cells.append(_spread([one.wer for one in row.decoded], 1))
        cells.append(" ".join(f"{one.weight:g}" for one in row.decoded))
    cells.append(f"{fmean(r.total.operations for r in row.records) / 1e12:.2f}")
    cells.append(f"{fmean(r.total.cpu_seconds for r in row.records):.0f}")
    return cells


def _spread(values: Sequence[float], digits: int) -> str:
    """Return the mean and, for several values, the lowest and the highest."""
    if not values:
        return ""
    mean = f"{fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def to_json(rows: Sequence[TableRow], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the data of the table, without the figures of single sentences."""
    models = []
    for row in rows:
        for record, measured in zip(row.records, row.measured):
            figures = asdict(measured)
            figures["sets"] = {n: s.perplexity for n, s in measured.sets.items()}
            models.append({**asdict(record), "measured": figures})
    decoded = [
        {"row": row.row, "keep": row.keep, **asdict(one)}
        for row in rows
        for one in row.decoded
    ]
    return {"models": models, "decoded": decoded, "pairs": [asdict(p) for p in pairs]}
