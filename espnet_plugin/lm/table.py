"""The table of compressed language models, as markdown and as JSON."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.lm.record import Decoded, LMRecord, Measured, find_models
from espnet_plugin.score.bootstrap import paired_bootstrap

__all__ = ["Pair", "TableRow", "collect", "compare", "markdown", "to_json"]

NO_LM = "no_lm"


@dataclass(frozen=True)
class TableRow:
    """A model of the table, over all seeds.

    Attributes:
        row: Name of the row.
        keep: Share of the blocks' weights.
        records: One for each seed.
        measured: In the same order.
        decoded: In the same order, of those that were decoded.
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
    """Two rows of one size on the same sentences and seeds.

    Attributes:
        first: Name of a row.
        second: Name of the other.
        ratio: Perplexity of the second divided by that of the first.
        ci95: Its 95 % interval, by bootstrap over sentences, each drawn for both and
            for all seeds.
        p_value: Two-sided.
        seeds: Seeds that both have.
    """

    first: str
    second: str
    ratio: float
    ci95: tuple[float, float]
    p_value: float
    seeds: Sequence[int]

    def sentence(self) -> str:
        """What the numbers say."""
        low, high = self.ci95
        shown = "no difference shown"
        if self.p_value < 0.05:
            shown = f"{self.second if self.ratio < 1 else self.first} is better"
        return (
            f"{self.first} against {self.second}: perplexity x {self.ratio:.3f} "
            f"[{low:.3f}, {high:.3f}], {shown}"
        )


def collect(exp_dir: Path) -> list[TableRow]:
    """Gather the finished and measured models below a folder, row by row.

    Raises:
        UserError: If there is none.
    """
    groups: dict[tuple[str, float], list[Path]] = {}
    for folder in find_models(exp_dir):
        record = LMRecord.read(folder)
        groups.setdefault((record.row, record.keep), []).append(folder)
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


def compare(rows: Sequence[TableRow], name: str) -> list[Pair]:
    """Compare every two rows of one size on a set, by the seeds that both have."""
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
    # In hundredths of a nat for each token; e to that is the ratio of perplexities.
    found = paired_bootstrap(*mean_nll, tokens)
    low, high = (math.exp(one / 100) for one in found.ci95)
    ratio = math.exp(found.difference / 100)
    return Pair(first.name, second.name, ratio, (low, high), found.p_value, seeds)


def markdown(
    rows: Sequence[TableRow],
    pairs: Sequence[Pair],
    test_set: str,
    without_lm: Optional[Decoded] = None,
) -> str:
    """Return the table, and below it the comparisons of rows of one size.

    Columns of what was not measured are left out.

    Args:
        rows: The models.
        pairs: See :func:`compare`.
        test_set: The set of the perplexities.
        without_lm: The same search without any language model.
    """
    decoded = any(row.decoded for row in rows)
    timed = any(m.ms_per_token is not None for row in rows for m in row.measured)
    head = ["model", "weights kept", "parameters", "file (kB)", "plain ESPnet", "seeds"]
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
    """Return the mean, and of several the lowest and the highest."""
    if not values:
        return ""
    mean = f"{fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def to_json(rows: Sequence[TableRow], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return what is behind the table; the figures of single sentences left out."""
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
