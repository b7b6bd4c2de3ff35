"""Write all findings as text and as JSON, and a short list for a log."""

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Iterator, TextIO

import numpy as np

from espnet_plugin.counted import counted
from espnet_plugin.doctor.kinds import ERROR, EXPECTED, KINDS, OF_TABLES, WARNING
from espnet_plugin.doctor.outliers import figures_of
from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Finding, Store
from espnet_plugin.errors import UserError
from espnet_plugin.files import whole_file
from espnet_plugin.text import JOINERS

__all__ = [
    "Verdict",
    "expected_lines",
    "set_facts",
    "short_lines",
    "write_json_list",
    "write_list",
]


@dataclass(frozen=True)
class Verdict:
    """Counts of the findings, by kind.

    Attributes:
        counts: Number of findings by name of the kind, in the order of `KINDS`.
        raised: Kinds of warnings that are treated as errors here.
        expected: Kinds of warnings that this corpus is known to have.
    """

    counts: dict[str, int]
    raised: frozenset[str] = frozenset()
    expected: frozenset[str] = frozenset()

    def severity(self, kind: str) -> str:
        """Return ``error``, ``warning`` or ``expected``."""
        if kind in self.raised:
            return ERROR
        return EXPECTED if kind in self.expected else KINDS[kind].severity

    def total(self, severity: str) -> int:
        """Return how many findings there are of a severity."""
        return sum(n for k, n in self.counts.items() if self.severity(k) == severity)

    @property
    def status(self) -> int:
        """Exit status: 2 if there is an error, 1 if there is a warning, 0 otherwise."""
        return 2 if self.total(ERROR) else 1 if self.total(WARNING) else 0

    @property
    def of_tables(self) -> dict[str, int]:
        """Number of errors that leaving out utterances does not solve, by kind."""
        return {
            kind: count
            for kind, count in self.counts.items()
            if kind in OF_TABLES and self.severity(kind) == ERROR
        }

    @property
    def kinds(self) -> list[str]:
        """The kinds that were found, errors first."""
        return sorted(self.counts, key=lambda kind: self.severity(kind) != ERROR)

    @property
    def sentence(self) -> str:
        """The counts in words."""
        errors, warnings = self.total(ERROR), self.total(WARNING)
        expected = self.total(EXPECTED)
        return (
            f"{errors} error{'s' * (errors != 1)}, "
            f"{warnings} warning{'s' * (warnings != 1)}"
            + (f" ({expected} more are expected)" if expected else "")
        )


def where(one: Finding) -> str:
    """Return file and line."""
    return f"{one.file}:{one.line}" if one.line else one.file


def set_facts(store: Store, s: int, one: DataSet) -> dict[str, Any]:
    """Return the figures of a set as a dictionary for JSON."""

    def count(what: str, table: str) -> int:
        return next(store.rows(f"select {what} from {table} where s=?", s))[0] or 0

    seconds, rates = figures_of(store, s, "seconds"), figures_of(store, s, "rate")
    base = "seg" if one.base == "segments" else "wav"
    facts: dict[str, Any] = {
        "folder": str(one.folder),
        "utterances": count("count(*)", base),
        "heard": len(seconds),
        "hours": round(float(seconds.sum()) / 3600, 4),
        "speakers": count("count(distinct value)", "spk"),
        "words": count("sum(words)", "txt"),
        "characters": len(one.facts.characters),
    }
    for name, values in (("seconds", seconds), ("characters_a_second", rates)):
        if len(values):
            low, middle, high = np.percentile(values, [0, 50, 100]).tolist()
            facts[name] = {"min": low, "median": middle, "max": high}
    return facts


def short_lines(
    store: Store, verdict: Verdict, severity: str, shown: int
) -> Iterator[str]:
    """Yield lines for a log: at most ``shown`` findings of each kind, and a count."""
    for kind in verdict.kinds:
        if verdict.severity(kind) != severity:
            continue
        number = verdict.counts[kind]
        yield f"{KINDS[kind].title}: {number} ({kind})"
        for one in store.findings(kind, shown):
            yield f"    {where(one)}: {one.id + ': ' if one.id else ''}{one.reason}"
        if number > shown:
            yield f"    and {number - shown} more"
        if severity == ERROR:  # Nothing can go on before it is corrected.
            yield f"    {KINDS[kind].way_out}"


def expected_lines(verdict: Verdict) -> Iterator[str]:
    """Yield a line for each kind that was found and was expected."""
    for kind in verdict.kinds:
        if verdict.severity(kind) == EXPECTED:
            number = verdict.counts[kind]
            yield f"{KINDS[kind].title}: {number} ({kind}), expected in this corpus"


def write_list(
    path: Path, store: Store, sets: Collection[DataSet], verdict: Verdict
) -> None:
    """Write every finding on a line of its own, grouped by kind."""
    with _whole_text(path) as out:
        print(verdict.sentence, file=out)
        for s, one in enumerate(sets):
            facts = set_facts(store, s, one)
            print(
                f"{facts['folder']}: {counted(facts['utterances'], 'utterance')}, "
                f"{facts['hours']:.2f} h, {counted(facts['speakers'], 'speaker')}, "
                f"{counted(facts['words'], 'word')}, "
                f"{counted(facts['characters'], 'different character')}",
                file=out,
            )
        for kind in verdict.kinds:
            title, number = KINDS[kind].title, verdict.counts[kind]
            severity = verdict.severity(kind).upper()
            print(f"\n{severity} {kind}: {title}: {number}", file=out)
            print(f"  {KINDS[kind].way_out}", file=out)
            for one in store.findings(kind):
                name = f"{one.id}: " if one.id else ""
                line = f"{where(one)}: {name}{one.reason}"
                print(_on_one_line(line), file=out)


def _on_one_line(text: str) -> str:
    """Escape what cannot be seen, but not the letters beside it."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in JOINERS else c.encode("unicode_escape").decode()
        for c in text
    )


def write_json_list(
    path: Path, store: Store, sets: Collection[DataSet], verdict: Verdict
) -> None:
    """Write the findings as JSON, one per line, without holding all in memory."""
    head = {
        "errors": verdict.total(ERROR),
        "warnings": verdict.total(WARNING),
        **({"expected": verdict.total(EXPECTED)} if verdict.total(EXPECTED) else {}),
        "sets": [set_facts(store, s, one) for s, one in enumerate(sets)],
        "kinds": {
            kind: {
                "severity": verdict.severity(kind),
                "count": verdict.counts[kind],
                "title": KINDS[kind].title,
                "way_out": KINDS[kind].way_out,
            }
            for kind in verdict.kinds
        },
    }
    with _whole_text(path) as out:
        out.write(json.dumps(head, indent=1)[:-2] + ',\n "findings": [')
        between = "\n"
        for kind in verdict.kinds:
            for one in store.findings(kind):
                out.write(f"{between}  {json.dumps(one._asdict())}")
                between = ",\n"
        out.write("\n ]\n}\n")


@contextmanager
def _whole_text(path: Path) -> Iterator[TextIO]:
    try:
        with whole_file(path) as content:
            text = io.TextIOWrapper(content, encoding="utf-8")
            yield text
            text.detach()  # which flushes it; whole_file closes it
    except UserError as error:
        raise UserError(f"--output_dir {path.parent}: {error}") from error
