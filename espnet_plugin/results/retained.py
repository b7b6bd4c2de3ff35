"""Mark values that a report keeps from an existing results.json.

A table may be built in several steps, so rows whose folders are not given stay in it.
They may come from another machine or person, so all values based on them are marked.
"""

from dataclasses import dataclass
from typing import Iterable, Sequence

from espnet_plugin.results.row import Row
from espnet_plugin.results.shared_run import Runs, chain_of

__all__ = ["RETAINED_MARK", "Retained", "retained_note", "retained_of"]

RETAINED_MARK = "‡"


@dataclass(frozen=True)
class Retained:
    """The retained parts of a mean or a sum.

    Attributes:
        names: Folders of retained rows and names of retained shared runs.
        mixed: Whether other parts were read from the given folders.
    """

    names: tuple[str, ...] = ()
    mixed: bool = False

    @property
    def mark(self) -> str:
        """The mark after a name; empty if nothing was retained."""
        return f" {RETAINED_MARK}" if self.names else ""


def retained_of(rows: Iterable[Row], runs: Runs) -> Retained:
    """Find the retained entries among rows and the runs they are built on."""
    rows = list(rows)
    found = {row.identity.folder or row.identity.method: row.retained for row in rows}
    for row in rows:
        for name in chain_of(row.identity.shared_run, runs):
            found[name] = name in runs and runs[name].retained
    names = tuple(name for name, retained in found.items() if retained)
    return Retained(names, bool(names) and len(names) < len(found))


def retained_note(parts: Sequence[tuple[str, Retained]]) -> str:
    """Return a note on retained values and where they are mixed; may be empty.

    Args:
        parts: Name and retained parts of each line of a table.
    """
    names = dict.fromkeys(name for _, retained in parts for name in retained.names)
    if not names:
        return ""
    note = (
        f" {RETAINED_MARK}: values that results.json already held; they were not read "
        f"from the folders given and may come from another machine: {', '.join(names)}"
    )
    mixed = [name for name, retained in parts if retained.mixed]
    if mixed:
        note += (
            f"; in {', '.join(mixed)} they are mixed with values that were read from "
            "the folders"
        )
    return note + "."
