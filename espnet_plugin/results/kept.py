"""What a report takes over from the results.json that was there, and how it says so.

A table may be made bit by bit, so rows whose folders are not given stay in it. They may
be of another machine or of somebody else: whatever rests on them is marked.
"""

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from espnet_plugin.results.row_cost import run_names

__all__ = ["KEPT_MARK", "Kept", "keep", "kept_note", "kept_of"]

KEPT_MARK = "‡"
_KEY = "kept"


@dataclass(frozen=True)
class Kept:
    """What of a mean or a sum was kept.

    Attributes:
        names: Folders of rows, names of shared trainings.
        mixed: Whether the rest was read from folders that were given.
    """

    names: tuple[str, ...] = ()
    mixed: bool = False

    @property
    def mark(self) -> str:
        """To put behind a name; empty if nothing was kept."""
        return f" {KEPT_MARK}" if self.names else ""


def keep(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row or a shared training marked as kept."""
    return {**entry, _KEY: True}


def kept_of(rows: Iterable[Mapping], runs: Mapping[str, Mapping]) -> Kept:
    """Find what was kept of some rows and of the trainings they are built on.

    Args:
        rows: Of results.json.
        runs: Its shared trainings, by name.
    """
    rows = list(rows)
    names = {row.get("dir") or row["method"]: row.get(_KEY, False) for row in rows}
    for row in rows:
        for name in run_names(row, runs):
            names[name] = runs.get(name, {}).get(_KEY, False)
    kept = tuple(name for name, was in names.items() if was)
    return Kept(kept, bool(kept) and len(kept) < len(names))


def kept_note(parts: Sequence[tuple[str, Kept]]) -> str:
    """Say what was kept and where it is mixed with fresh rows; empty if nothing was.

    Args:
        parts: (name, what was kept of it) of each line of a table.
    """
    names = dict.fromkeys(name for _, kept in parts for name in kept.names)
    if not names:
        return ""
    note = (
        f" {KEPT_MARK} rests on what results.json held before, not on the folders "
        f"given (it may be of another machine): {', '.join(names)}"
    )
    mixed = [name for name, kept in parts if kept.mixed]
    if mixed:
        note += f"; with what was read from them in {', '.join(mixed)}"
    return note + "."
