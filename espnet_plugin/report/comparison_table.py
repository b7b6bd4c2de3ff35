"""The table of paired comparisons, and notes on missing results."""

from typing import Optional

from espnet_plugin.report.table import Table, fill
from espnet_plugin.results.comparison import Comparison
from espnet_plugin.results.results import Results
from espnet_plugin.results.retained import retained_note

__all__ = ["comparison_table", "missing_notes"]

_NOTES = """\
Paired bootstrap on the {name} set, with errors averaged over seeds. Differences are in
points of the error rate; below zero means fewer errors than the model it is compared
with. The p-values are not corrected for the number of comparisons and do not include
the variation between seeds."""
_HEADER = ("model", "against", "points [95 %]", "p", "in words")
_UNFINISHED = "a finished training (meta.json, config.yaml), so it is in no table"


def comparison_table(results: Results) -> Optional[Table]:
    """Return the table of comparisons and their results; None if there are none."""
    lines = []
    for one in results.comparisons:
        low, high = one.result.ci95
        lines.append(
            [
                one.second.label + one.second.retained.mark,
                one.first.label + one.first.retained.mark,
                f"{one.result.difference:+.1f} [{low:+.1f}, {high:+.1f}]",
                f"{one.result.p_value:.2g}",
                _verdict(one),
            ]
        )
    pairs = [(one.second, one.first) for one in results.comparisons]
    groups = {group.label: group.retained for pair in pairs for group in pair}
    notes = _NOTES.format(name=results.set_name) + retained_note(list(groups.items()))
    return Table(_HEADER, lines, fill(notes)) if lines else None


def missing_notes(results: Results) -> list[str]:
    """Return a line for each missing item, naming the rows that lack it."""
    names: dict[str, list[str]] = {}
    for entry in [*results.rows, *results.runs.values()]:
        if entry.missing:
            names.setdefault(", ".join(entry.missing), []).append(entry.name)
    for folder in results.entries.skipped:
        names.setdefault(_UNFINISHED, []).append(folder)
    return [f"{', '.join(who)}: {what}" for what, who in names.items()]


def _verdict(one: Comparison) -> str:
    words = f"at {one.result.words} {one.unit}"
    if one.common is not None:
        words += f" ({one.common} common utterances)"
    if one.part:
        words += f", {one.part}"
    if not one.result.shown:
        return f"no difference shown {words}"
    least, most = sorted(map(abs, one.result.ci95))
    less = "fewer" if one.result.difference < 0 else "more"
    return f"{least:.1f} to {most:.1f} points {less} errors {words}"
