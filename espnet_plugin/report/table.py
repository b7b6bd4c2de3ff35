"""Tables of error rates and of comparisons, from the content of ``results.json``."""

from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.report.cells import (
    NOT_KNOWN,
    Table,
    interval,
    make_table,
    scaled,
    with_interval,
)
from espnet_plugin.report.line_cells import (
    NAME_HEADER,
    groups_of,
    name_cells,
    rtf_text,
)
from espnet_plugin.results.aggregate import Group
from espnet_plugin.results.comparison import Comparison
from espnet_plugin.results.kept import kept_note
from espnet_plugin.results.references import reference_note
from espnet_plugin.results.size import size_text

__all__ = [
    "comparison_table",
    "missing_notes",
    "set_name",
    "quality_table",
]


_QUALITY_HEADER = (
    *NAME_HEADER,
    "params (M)",
    "non-zero (M)",
    "file (MB)",
    "test WER % [95 %]",
    "[by speaker]",
    "seeds (range)",
    "test CER % [95 %]",
    "dev WER % [95 %]",
)
_OPTIONAL = ("non-zero (M)", "file (MB)", "[by speaker]")
_QUALITY_NOTES = """\
WER [95 %]: mean over seeds and the bootstrap interval over whole {unit} of the set
({name}: {words} words), the errors of all seeds pooled; it does not cover the luck of
the seed, for which the range over seeds stands beside it. By speaker: 95 % if whole
speakers are drawn, for what others would give; with few speakers it is rough. File: the
checkpoint as it is. `?`: not measured yet."""
_SIZE_NOTE = """\
{example} layers: all layers are kept, cut to the parameters of a model of so few."""
_COMPARISON_NOTES = """\
Paired bootstrap on the {name} set, mean errors over seeds; points are of the error
rate, below zero: fewer errors than the one it is compared with. The p-values are not
corrected for the number of comparisons and do not cover the luck of the seed."""


def set_name(results: Mapping[str, Any]) -> str:
    """What the scored set is called: ``dev`` if it is the development set."""
    return "dev" if results.get("on_dev") else "test"


def quality_table(results: Mapping[str, Any]) -> Table:
    """Error rates and sizes: one line a method, variant and size, seeds joined.

    Raises:
        UserError: If there is no row.
    """
    groups = groups_of(results)
    words = sorted({g.test_words for g in groups if g.test_words is not None})
    units = {row.get("bootstrap_unit", "utterance") for row in results["rows"]}
    notes = _QUALITY_NOTES.format(
        name=set_name(results),
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
        notes += (
            " † zeros: smaller once compressed or stored sparsely, same speed: "
            f"{'; '.join(pruned)}."
        )
    notes += reference_note(results)
    notes += kept_note([(group.label, group.kept) for group in groups])
    lines = [_quality_cells(group) for group in groups]
    header = list(_QUALITY_HEADER)
    if set_name(results) == "dev":
        # Its last column would say the same once more.
        header = [name.replace("test", "dev") for name in header[:-1]]
        lines = [line[:-1] for line in lines]
    return make_table("Quality and size", header, lines, notes, _OPTIONAL)


def comparison_table(
    comparisons: Sequence[Comparison], name: str = "test"
) -> Optional[Table]:
    """What was compared and what came out; None if nothing was.

    Args:
        comparisons: What was compared.
        name: See :func:`set_name`.
    """
    header = ("model", "against", "points [95 %]", "p", "in words")
    lines = []
    for one in comparisons:
        low, high = one.result.ci95
        lines.append(
            [
                one.second.label + one.second.kept.mark,
                one.first.label + one.first.kept.mark,
                f"{one.result.difference:+.1f} [{low:+.1f}, {high:+.1f}]",
                f"{one.result.p_value:.2g}",
                _verdict(one),
            ]
        )
    groups = {g.label: g.kept for one in comparisons for g in (one.second, one.first)}
    notes = _COMPARISON_NOTES.format(name=name) + kept_note(list(groups.items()))
    return make_table("Paired comparisons", header, lines, notes) if lines else None


def _verdict(one: Comparison) -> str:
    words = f"at {one.result.words} words"
    if one.common is not None:
        words += f" ({one.common} common utterances)"
    if one.part:
        words += f", {one.part}"
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


def _quality_cells(group: Group) -> list[str]:
    seeds = str(len(group.seeds))
    if group.scored < len(group.seeds):
        seeds = f"{group.scored} of {seeds}"
    if group.scored > 1:
        seeds += f" ({group.wer_range[0]:.1f} to {group.wer_range[1]:.1f})"
    speakers = group.wer_ci95_speakers
    return [
        *name_cells(group),
        scaled(group.params, 1e6),
        scaled(group.params_nonzero, 1e6) + (" †" if group.is_pruned else ""),
        scaled(group.file_bytes, 1e6),
        with_interval(group.test_wer, group.wer_ci95),
        interval(speakers) if speakers else NOT_KNOWN,
        seeds,
        with_interval(group.test_cer, group.cer_ci95),
        with_interval(group.dev_wer, group.dev_wer_ci95),
    ]


def _pruning_note(group: Group, reference: Optional[Group]) -> str:
    factors = f"RTF {rtf_text(group)}"
    if reference is not None and reference is not group:
        factors += f", reference {rtf_text(reference)}"
    return f"{group.label} ({factors})"
