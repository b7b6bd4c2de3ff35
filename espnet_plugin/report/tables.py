"""The tables of quality and size, and of the costs of models and families."""

from dataclasses import replace
from typing import Optional

from espnet_plugin.errors import UserError
from espnet_plugin.report.caution import busy_caution
from espnet_plugin.report.table import Line, Table, metric_table
from espnet_plugin.results.cell_text import NOT_KNOWN, rtf
from espnet_plugin.results.family import Family
from espnet_plugin.results.group import Group
from espnet_plugin.results.metric import COST, FAMILY, QUALITY
from espnet_plugin.results.references import reference_note
from espnet_plugin.results.results import Results
from espnet_plugin.results.size import size_text

__all__ = ["cost_table", "family_table", "quality_table"]

_NAME_HEADER = ("method", "variant", "layers")
_QUALITY_NOTES = """\
WER [95 %]: mean over seeds, with a 95 % bootstrap interval that draws whole {unit} of
the set ({name}: {words} words) and pools the errors of all seeds. The interval does not
include the variation between seeds; the column of seeds shows their range. By speaker:
the interval if whole speakers are drawn, as an estimate for other speakers; with few
speakers it is only rough."""
_UNSPACED_NOTE = """\
 Comparisons, pictures and Pareto fronts use CER, because the script of this set has no
 spaces between words: a single wrong character would count a whole sentence as one
 wrong word."""
_SIZE_NOTE = """\
 {example} layers: all layers are kept, but parameters are removed until as few are left
 as in a model with the second number of layers."""
_WIDTH_NOTE = """\
 {example}: number of layers x width of the encoder."""
_COST_NOTES = """\
Each cost is the cost of one model, mean over seeds. If a model is built on training
that serves several sizes (EncRL, fine-tuning together), its cost is written as *own +
shared = whole*, with the shared part counted in full."""
_CACHE_NOTES = """\
 The pass that filled the teacher's cache is not included, because its processor time
 was not measured ({names})."""
_FAMILY_NOTES = """\
All sizes of a method together, with shared training counted once; mean over the
complete sets of sizes. Times have the same meaning as in the table of costs. Last
column: PFLOP of training the same sizes from scratch (variant {baseline}) divided by
the PFLOP of this family."""


def quality_table(results: Results) -> Table:
    """Return error rates and sizes, with a line per method, variant and size.

    Raises:
        UserError: If there is no row.
    """
    lines = _lines(results)
    on_dev = results.set_name == "dev"
    table = metric_table(
        QUALITY,
        (_NAME_HEADER, ()),
        lines,
        (_QUALITY_NOTES, f"`?`: not measured yet.{_quality_remarks(results)}"),
        _scored_on(results),
        # On dev it would repeat another column.
        without=("dev_wer",) if on_dev else (),
    )
    header = [name.replace("test", results.set_name) for name in table.header]
    return Table(header, table.lines, table.notes)


def cost_table(results: Results) -> Table:
    """Return the costs of training and running, with the lines of `quality_table`.

    Raises:
        UserError: If there is no row.
    """
    lines = _lines(results)
    entries = [*results.rows, *results.runs.values()]
    cached = [one for one in entries if one.training.cpu_without_cache]
    names = ", ".join(one.name for one in cached)
    facts = {"cache": _CACHE_NOTES.format(names=names) if cached else ""}
    table = metric_table(COST, (_NAME_HEADER, ()), lines, (_COST_NOTES, ""), facts)
    return replace(table, caution=busy_caution(results.groups))


def family_table(results: Results) -> Optional[Table]:
    """Return the costs of all sizes of a method; None if no method has two sizes."""
    families = results.families
    if not families:
        return None
    scratch = [family for family in families if family.method == "scratch"]
    lines = [
        Line(
            [
                family.label,
                "+".join(map(str, family.sizes)) + family.retained.mark,
                str(family.sets),
            ],
            family,
            [_ratio(scratch, family)],
        )
        for family in families
    ]
    baseline = (scratch[0].variant if scratch else "") or "-"
    return metric_table(
        FAMILY,
        (("family", "layers", "sets"), ("scratch / this",)),
        lines,
        (_FAMILY_NOTES.format(baseline=baseline), ""),
        with_column_notes=False,
    )


def _lines(results: Results) -> list[Line]:
    if not results.groups:
        raise UserError(
            "results.json has no rows yet: train and score a model first (stages 4 "
            "to 7)"
        )
    return [
        Line(
            [
                group.method,
                group.variant or "-",
                size_text(group.layers, group.shape) + group.retained.mark,
            ],
            group,
        )
        for group in results.groups
    ]


def _scored_on(results: Results) -> dict[str, str]:
    """Return the facts on the test set for the notes."""
    words = {
        row.quality.test_words for group in results.groups for row in group.scored[:1]
    }
    units = {row.quality.bootstrap_unit or "utterance" for row in results.rows}
    return {
        "name": results.set_name,
        "words": " or ".join(map(str, sorted(words - {None}))) or NOT_KNOWN,
        "unit": " or ".join(f"{unit}s" for unit in sorted(units)),
    }


def _quality_remarks(results: Results) -> str:
    """Return the notes that apply to these rows."""
    groups, remarks = results.groups, ""
    if len({row.quality.test_set for row in results.rows} - {None}) > 1:
        remarks += " NOT ALL ROWS ARE SCORED ON THE SAME TEST SET."
    if any(group.by_character for group in groups):
        remarks += _UNSPACED_NOTE
    cut = next((group for group in groups if group.size != group.layers), None)
    if cut is not None:
        remarks += _SIZE_NOTE.format(example=size_text(cut.layers, cut.shape))
    wide = next((group for group in groups if group.shape.width is not None), None)
    if wide is not None:
        remarks += _WIDTH_NOTE.format(example=wide.shape)
    reference = next((group for group in groups if group.method == "reference"), None)
    pruned = [_pruning_note(group, reference) for group in groups if group.is_pruned]
    if pruned:
        remarks += (
            " † zeros: smaller once compressed or stored sparsely, same speed: "
            f"{'; '.join(pruned)}."
        )
    return remarks + reference_note(results.rows, results.runs)


def _pruning_note(group: Group, reference: Optional[Group]) -> str:
    factors = f"RTF {rtf(group.mean('encoder_rtf'))}"
    if reference is not None and reference is not group:
        factors += f", reference {rtf(reference.mean('encoder_rtf'))}"
    return f"{group.label} ({factors})"


def _ratio(scratch: list[Family], family: Family) -> str:
    same = [one for one in scratch if one.sizes == family.sizes]
    if not same:
        return NOT_KNOWN
    ours, theirs = family.whole.flops, same[0].whole.flops
    return f"{theirs / ours:.2f}" if ours and theirs else NOT_KNOWN
