"""The tables of a report, written from nothing but the content of ``results.json``."""

from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.evaluate.aggregate import Group, group_rows
from espnet_plugin.evaluate.cells import (
    NOT_KNOWN,
    Table,
    cost,
    fill,
    interval,
    number,
    scaled,
    with_interval,
)
from espnet_plugin.evaluate.comparison import Comparison
from espnet_plugin.evaluate.family import Family, family_costs
from espnet_plugin.evaluate.size import size_text

__all__ = [
    "comparison_table",
    "cost_table",
    "family_table",
    "missing_notes",
    "quality_table",
]

_SECONDS_PER_MINUTE = 60.0
_SECONDS_PER_HOUR = 3600.0
_FLOPS_PER_PFLOP = 1e15

_QUALITY_HEADER = (
    "method",
    "variant",
    "layers",
    "params (M)",
    "non-zero (M)",
    "file (MB)",
    "test WER % [95 %]",
    "[95 % by speaker]",
    "seeds (WER range)",
    "test CER % [95 %]",
    "dev WER %",
)
_COST_HEADER = (
    "method",
    "variant",
    "layers",
    "training min",
    "audio-hours",
    "PFLOP (teacher)",
    "encoder RTF (load)",
    "GMAC/s",
    "memory (MB)",
)
# Columns that older measurements or other corpora leave empty.
_LEFT_OUT_IF_EMPTY = (
    "non-zero (M)",
    "file (MB)",
    "[95 % by speaker]",
    "GMAC/s",
    "memory (MB)",
)
_QUALITY_NOTES = """\
WER [95 %]: mean over seeds and the bootstrap interval over whole {unit} of the test set
({words} words), the errors of all seeds pooled; it does not cover the luck of the seed,
for which the range over seeds stands beside it. By speaker: whole speakers are drawn,
for what other speakers would give; with few speakers it is rough. File: the checkpoint
as it is. `?`: not measured yet."""
_SIZE_NOTE = """\
{example} layers: all layers are kept, cut to the parameters of a model of so few."""
_COST_NOTES = """\
A cost is that of one model, mean over seeds. Where a model is built on training that
serves several sizes (EncRL, fine-tuning together), it is written *own + shared =
whole*, the shared part counted in full for that one model. Minutes are wall-clock time
of the training steps; audio-hours are what the model was shown, all epochs together;
PFLOP are 10^15 floating-point operations of training, the frozen teacher's share of
them in brackets. Training the reference is not part of a student's cost. RTF: encoder
seconds per second of audio, median of the runs; load: of the whole machine just before
(one minute's average, the highest of the seeds). GMAC/s: 10^9 multiply-adds per second
of audio. Memory: 10^6 bytes that a forward pass takes on top of the loaded model."""
_FAMILY_NOTES = """\
All sizes of a method made together, what they share counted once; mean over the
complete sets of sizes. Last column: PFLOP of the same sizes from scratch (variant
{baseline}) divided by this family's."""
_COMPARISON_NOTES = """\
Paired bootstrap on the test set, mean errors over seeds; points are of the error rate,
below zero: fewer errors than the one it is compared with. The p-values are not
corrected for the number of comparisons and do not cover the luck of the seed."""


def quality_table(results: Mapping[str, Any]) -> Table:
    """Error rates and sizes: one line a method, variant and size, seeds joined.

    Raises:
        UserError: If there is no row.
    """
    groups = _groups(results)
    words = sorted({g.test_words for g in groups if g.test_words is not None})
    units = {row.get("bootstrap_unit", "utterance") for row in results["rows"]}
    notes = _QUALITY_NOTES.format(
        words=" or ".join(map(str, words)) or NOT_KNOWN,
        unit=" or ".join(f"{unit}s" for unit in sorted(units)),
    )
    if len({row["test_set"] for row in results["rows"] if row.get("test_set")}) > 1:
        notes += " NOT ALL ROWS ARE SCORED ON THE SAME TEST SET."
    reference = next((g for g in groups if g.method == "reference"), None)
    cut = next((g for g in groups if g.size != g.layers), None)
    if cut is not None:
        example = size_text(cut.layers, cut.size)
        notes += " " + _SIZE_NOTE.format(example=example)
    pruned = [_pruning_note(group, reference) for group in groups if group.is_pruned]
    if pruned:
        notes += f" † smaller file, same speed: {'; '.join(pruned)}."
    lines = [_quality_cells(group) for group in groups]
    return _table("Quality and size", _QUALITY_HEADER, lines, notes)


def cost_table(results: Mapping[str, Any]) -> Table:
    """What training and running take, in the lines of `quality_table`.

    Raises:
        UserError: If there is no row.
    """
    lines = [
        [
            *_name_cells(group),
            *_cost_cells(group.own, group.shared, group.has_shared),
            _rtf_cell(group),
            scaled(group.macs, 1e9),
            number(group.peak_memory_mb, 0),
        ]
        for group in _groups(results)
    ]
    return _table("Cost", _COST_HEADER, lines, _COST_NOTES)


def family_table(results: Mapping[str, Any]) -> Optional[Table]:
    """What all sizes of a method cost together; None if none has two sizes."""
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
    if not lines:
        return None
    baseline = (scratch[0].variant if scratch else "") or "-"
    notes = _FAMILY_NOTES.format(baseline=baseline)
    return Table("The whole family", header, lines, fill(notes))


def comparison_table(comparisons: Sequence[Comparison]) -> Optional[Table]:
    """What was compared and what came out; None if nothing was."""
    header = ("model", "against", "points [95 %]", "p", "in words")
    lines = []
    for one in comparisons:
        low, high = one.result.ci95
        lines.append(
            [
                one.second.label,
                one.first.label,
                f"{one.result.difference:+.1f} [{low:+.1f}, {high:+.1f}]",
                f"{one.result.p_value:.2g}",
                _verdict(one),
            ]
        )
    notes = fill(_COMPARISON_NOTES)
    return Table("Paired comparisons", header, lines, notes) if lines else None


def _verdict(one: Comparison) -> str:
    words = f"at {one.result.words} words"
    if one.common is not None:
        words += f" ({one.common} common utterances)"
    if not one.result.shown:
        return f"no difference shown {words}"
    least, most = sorted(map(abs, one.result.ci95))
    less = "fewer" if one.result.difference < 0 else "more"
    return f"{least:.1f} to {most:.1f} points {less} errors {words}"


def missing_notes(results: Mapping[str, Any]) -> str:
    """What is not there yet, a line for all that lack the same; empty if all is."""
    names: dict[str, list[str]] = {}
    for row in results["rows"]:
        if row.get("missing"):
            name = row.get("dir") or (
                f"{row['method']} {row.get('variant') or ''} {row['layers']} layers, "
                f"seed {row['seed']}"
            )
            names.setdefault(", ".join(row["missing"]), []).append(name)
    for entry in results.get("shared", []):
        if entry.get("missing"):
            names.setdefault(", ".join(entry["missing"]), []).append(entry["name"])
    for folder in results.get("skipped", []):
        what = "a finished training (meta.json, config.yaml), so it is in no table"
        names.setdefault(what, []).append(folder)
    return "\n".join(f"* {', '.join(who)}: {what}" for what, who in names.items())


def _groups(results: Mapping[str, Any]) -> list[Group]:
    if not results.get("rows"):
        raise UserError(
            "results.json has no row yet: train and score a model first (stages 4 to 7)"
        )
    return group_rows(results["rows"], results.get("shared", []))


def _table(
    title: str, header: Sequence[str], lines: Sequence[Sequence[str]], notes: str
) -> Table:
    kept = [
        index
        for index, name in enumerate(header)
        if name not in _LEFT_OUT_IF_EMPTY
        or any(line[index] != NOT_KNOWN for line in lines)
    ]
    cells = [[line[index] for index in kept] for line in lines]
    return Table(title, [header[index] for index in kept], cells, fill(notes))


def _name_cells(group: Group) -> list[str]:
    layers = size_text(group.layers, group.size)
    return [group.method, group.variant or "-", layers]


def _quality_cells(group: Group) -> list[str]:
    seeds = str(len(group.seeds))
    if group.scored < len(group.seeds):
        seeds = f"{group.scored} of {seeds}"
    if group.scored > 1:
        seeds += f" ({group.wer_range[0]:.1f} to {group.wer_range[1]:.1f})"
    speakers = group.wer_ci95_speakers
    return [
        *_name_cells(group),
        scaled(group.params, 1e6),
        scaled(group.params_nonzero, 1e6) + (" †" if group.is_pruned else ""),
        scaled(group.file_bytes, 1e6),
        with_interval(group.test_wer, group.wer_ci95),
        interval(speakers) if speakers else NOT_KNOWN,
        seeds,
        with_interval(group.test_cer, group.cer_ci95),
        number(group.dev_wer, 1),
    ]


def _pruning_note(group: Group, reference: Optional[Group]) -> str:
    factors = f"RTF {_rtf(group)}"
    if reference is not None and reference is not group:
        factors += f", reference {_rtf(reference)}"
    return f"{group.label} ({factors})"


def _rtf(group: Group) -> str:
    return NOT_KNOWN if group.encoder_rtf is None else f"{group.encoder_rtf:.3g}"


def _rtf_cell(group: Group) -> str:
    if group.encoder_rtf is None or group.rtf_load is None:
        return _rtf(group)
    return f"{_rtf(group)} ({group.rtf_load:.1f})"


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
        return cost(own, unit)
    whole = cost(_plus(own, shared), unit)
    return f"{cost(own, unit)} + {cost(shared, unit)} = {whole}"


def _plus(first: Optional[float], second: Optional[float]) -> Optional[float]:
    return None if first is None or second is None else first + second


def _ratio(scratch: Sequence[Family], family: Family) -> str:
    same = [one for one in scratch if one.layers == family.layers]
    if not same:
        return NOT_KNOWN
    ours, theirs = _with_teacher(family.whole), _with_teacher(same[0].whole)
    return f"{theirs / ours:.2f}" if ours and theirs else NOT_KNOWN
