"""Markdown tables, written from nothing but the content of ``results.json``."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from espnet_plugin.errors import UserError
from espnet_plugin.evaluate.aggregate import (
    Family,
    Group,
    compare_groups,
    family_costs,
    group_rows,
)
from espnet_plugin.files import write_text

__all__ = [
    "BEGIN_MARK",
    "END_MARK",
    "comparison_table",
    "family_table",
    "insert_block",
    "main_table",
    "markdown_block",
    "missing_notes",
    "write_markdown",
]

BEGIN_MARK = "<!-- results:begin -->"
END_MARK = "<!-- results:end -->"
_NOT_KNOWN = "?"
_SECONDS_PER_MINUTE = 60.0
_SECONDS_PER_HOUR = 3600.0
_FLOPS_PER_PFLOP = 1e15

_MAIN_HEADER = (
    "method",
    "variant",
    "layers",
    "params (M)",
    "test WER % [95 %]",
    "seeds (WER range)",
    "test CER %",
    "dev WER %",
    "training min",
    "audio-hours",
    "PFLOP (teacher)",
    "encoder RTF",
)
_MAIN_NOTES = """\
A cost is that of one model, mean over seeds. Where a model is built on an EncRL run
that serves several sizes, it is written *own + shared = whole*, the shared run counted
in full for that one model. Minutes are wall-clock time of the training steps;
audio-hours are what the model was shown, all epochs together; PFLOP are 10^15
floating-point operations of training, the frozen teacher's share of them in brackets.
Training the reference is not part of a student's cost. WER [95 %]: mean over seeds and
the bootstrap interval over whole {unit} of the test set ({words} words), the errors of
all seeds pooled; it does not cover the luck of the seed, for which the range over seeds
stands beside it. RTF: encoder seconds per second of audio. `?`: not measured yet."""
_FAMILY_NOTES = """\
All sizes of a method made together, the shared EncRL run counted once; mean over the
complete sets of sizes. Last column: PFLOP of the same sizes from scratch (variant
{baseline}) divided by this family's."""
_COMPARISON_NOTES = """\
Against the models of the same size from scratch (variant {baseline}): paired bootstrap
on the test set, mean errors over seeds. Points below zero: better than from scratch.
The p-values are not corrected for the number of comparisons and do not cover the luck
of the seed."""


def main_table(results: Mapping[str, Any]) -> str:
    """One line for each method, variant and size, seeds joined.

    Raises:
        UserError: If there is no row.
    """
    return _render(_MAIN_HEADER, [_main_cells(group) for group in _groups(results)])


def family_table(results: Mapping[str, Any]) -> str:
    """What all sizes of a method cost together; empty if none has two sizes."""
    families = family_costs(results["rows"], results.get("shared", []))
    scratch = [family for family in families if family.method == "scratch"]
    header = (
        "family",
        "layers",
        "sets",
        "training min",
        "audio-hours",
        "PFLOP (teacher)",
        "scratch / this",
    )
    lines = []
    for family in families:
        cells = [
            f"{family.method} {family.variant}".strip(),
            "+".join(map(str, family.layers)),
            str(family.sets),
            *_cost_cells(
                family.own, family.shared, bool(family.shared["train_flops"] != 0)
            ),
            _ratio(scratch, family),
        ]
        lines.append(cells)
    return _render(header, lines) if lines else ""


def comparison_table(results: Mapping[str, Any]) -> str:
    """Every trained student against the same size from scratch; may be empty."""
    groups = _groups(results)
    # The first variant in the rows' order is the plain one.
    baseline: dict[int, Group] = {}
    for group in groups:
        if group.method == "scratch":
            baseline.setdefault(group.layers, group)
    lines = []
    for group in groups:
        other = baseline.get(group.layers)
        if group.method in ("scratch", "reference") or other is None:
            continue
        compared = compare_groups(other, group)
        if compared is None:
            continue
        low, high = compared.ci95
        verdict = "no difference shown"
        if compared.shown:
            verdict = "better" if compared.difference < 0 else "worse"
        lines.append(
            [
                group.method,
                group.variant or "-",
                str(group.layers),
                f"{compared.difference:+.1f} [{low:+.1f}, {high:+.1f}]",
                f"{compared.p_value:.2g}",
                f"{verdict} at {compared.words} words",
            ]
        )
    header = ("method", "variant", "layers", "points [95 %]", "p", "against scratch")
    return _render(header, lines) if lines else ""


def missing_notes(results: Mapping[str, Any]) -> str:
    """What is not there yet, one line for each row or run; empty if all is."""
    lines = []
    for row in results["rows"]:
        if row.get("missing"):
            name = row.get("dir") or (
                f"{row['method']} {row.get('variant') or ''} {row['layers']} layers, "
                f"seed {row['seed']}"
            )
            lines.append(f"* {name}: {', '.join(row['missing'])}")
    for entry in results.get("shared", []):
        if entry.get("missing"):
            lines.append(f"* {entry['name']}: {', '.join(entry['missing'])}")
    for folder in results.get("skipped", []):
        lines.append(f"* {folder}: no meta.json, so it is in no table")
    return "\n".join(lines)


def markdown_block(
    results: Mapping[str, Any], plots: Sequence[tuple[str, str]] = ()
) -> str:
    """All tables with what has to be known to read them.

    Args:
        results: Content of results.json.
        plots: (caption, address relative to the markdown file) of each picture.

    Raises:
        UserError: If there is no row.
    """
    groups = _groups(results)
    words = sorted({g.test_words for g in groups if g.test_words is not None})
    units = {row.get("bootstrap_unit", "utterance") for row in results["rows"]}
    notes = _MAIN_NOTES.format(
        words=", ".join(map(str, words)) or _NOT_KNOWN,
        unit=" or ".join(f"{unit}s" for unit in sorted(units)),
    )
    variants = [group.variant for group in groups if group.method == "scratch"]
    baseline = (variants[0] if variants else "") or "-"
    parts = [f"### {results['corpus']}", main_table(results), _fill(notes)]
    families = family_table(results)
    if families:
        parts += [
            "#### The whole family",
            families,
            _fill(_FAMILY_NOTES.format(baseline=baseline)),
        ]
    comparisons = comparison_table(results)
    if comparisons:
        parts += [
            "#### Against training from scratch",
            comparisons,
            _fill(_COMPARISON_NOTES.format(baseline=baseline)),
        ]
    parts += [f"![{caption}]({address})" for caption, address in plots]
    missing = missing_notes(results)
    if missing:
        parts += ["#### Not there yet", missing]
    return "\n\n".join(parts)


def insert_block(text: str, block: str, name: str = "the markdown file") -> str:
    """Replace what stands between the marks by ``block``, and leave the rest alone.

    Raises:
        UserError: If the marks do not stand there once each and in order.
    """
    if text.count(BEGIN_MARK) != 1 or text.count(END_MARK) != 1:
        raise UserError(
            f"{name} needs one line {BEGIN_MARK} and one line {END_MARK}, where the "
            "tables shall stand; it was left as it is"
        )
    before, rest = text.split(BEGIN_MARK)
    if END_MARK not in rest:
        raise UserError(f"{name}: {END_MARK} stands before {BEGIN_MARK}; swap them")
    after = rest.split(END_MARK)[1]
    return f"{before}{BEGIN_MARK}\n\n{block}\n\n{END_MARK}{after}"


def write_markdown(path: Union[str, Path], block: str) -> None:
    """Put the tables between the marks of ``path``, or make a file that has them.

    Raises:
        UserError: If the file exists without the marks.
    """
    path = Path(path)
    if path.exists():
        text = path.read_text(encoding="utf-8")
    else:
        text = f"# RESULTS\n\n{BEGIN_MARK}\n{END_MARK}\n"
    write_text(path, insert_block(text, block, str(path)))


def _groups(results: Mapping[str, Any]) -> list[Group]:
    if not results.get("rows"):
        raise UserError(
            "results.json has no row yet: train and score a model first (stages 4 to 7)"
        )
    return group_rows(results["rows"], results.get("shared", []))


def _main_cells(group: Group) -> list[str]:
    wer = _number(group.test_wer, 1)
    if group.wer_ci95 is not None:
        wer += f" [{group.wer_ci95[0]:.1f}, {group.wer_ci95[1]:.1f}]"
    seeds = str(len(group.seeds))
    if group.scored < len(group.seeds):
        seeds = f"{group.scored} of {seeds}"
    if group.scored > 1:
        seeds += f" ({group.wer_range[0]:.1f} to {group.wer_range[1]:.1f})"
    params = _NOT_KNOWN if group.params is None else f"{group.params / 1e6:.2f}"
    return [
        group.method,
        group.variant or "-",
        str(group.layers),
        params,
        wer,
        seeds,
        _number(group.test_cer, 1),
        _number(group.dev_wer, 1),
        *_cost_cells(group.own, group.shared, group.has_shared),
        _NOT_KNOWN if group.encoder_rtf is None else f"{group.encoder_rtf:.3g}",
    ]


def _cost_cells(
    own: Mapping[str, Optional[float]],
    shared: Mapping[str, Optional[float]],
    has_shared: bool,
) -> list[str]:
    cells = []
    for key, unit in (
        ("train_seconds", _SECONDS_PER_MINUTE),
        ("audio_seconds", _SECONDS_PER_HOUR),
    ):
        cells.append(_sum_cell(own[key], shared[key], unit, has_shared))
    flops = [_with_teacher(cost) for cost in (own, shared)]
    cell = _sum_cell(flops[0], flops[1], _FLOPS_PER_PFLOP, has_shared)
    whole = _plus(flops[0], flops[1])
    if whole:
        teacher = own["teacher_flops"] + shared["teacher_flops"]
        cell += f" ({100.0 * teacher / whole:.0f} %)"
    return [*cells, cell]


def _with_teacher(cost: Mapping[str, Optional[float]]) -> Optional[float]:
    return _plus(cost["train_flops"], cost["teacher_flops"])


def _sum_cell(
    own: Optional[float], shared: Optional[float], unit: float, has_shared: bool
) -> str:
    if not has_shared:
        return _cost(own, unit)
    whole = _cost(_plus(own, shared), unit)
    return f"{_cost(own, unit)} + {_cost(shared, unit)} = {whole}"


def _plus(first: Optional[float], second: Optional[float]) -> Optional[float]:
    return None if first is None or second is None else first + second


def _ratio(scratch: Sequence[Family], family: Family) -> str:
    same = [one for one in scratch if one.layers == family.layers]
    if not same:
        return _NOT_KNOWN
    ours, theirs = _with_teacher(family.whole), _with_teacher(same[0].whole)
    return f"{theirs / ours:.2f}" if ours and theirs else _NOT_KNOWN


def _number(value: Optional[float], digits: int) -> str:
    return _NOT_KNOWN if value is None else f"{value:.{digits}f}"


def _cost(value: Optional[float], unit: float) -> str:
    """Three digits that count, never in powers of ten for what people read."""
    if value is None:
        return _NOT_KNOWN
    value /= unit
    if value == 0 or value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}"


def _fill(text: str) -> str:
    """One line a paragraph: markdown shows it the same, and edits stay small."""
    return " ".join(text.split())


def _render(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A markdown table with padded cells, so that a terminal shows it well too."""
    table = [list(header), *map(list, lines)]
    table = [[cell.replace("|", "\\|") for cell in line] for line in table]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    drawn = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |"
        for line in table
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)
