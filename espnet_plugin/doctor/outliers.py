"""Find outliers of a set: by duration, characters per second, and level."""

from typing import Iterator

import numpy as np

from espnet_plugin.doctor.sets import CheckOptions, DataSet
from espnet_plugin.doctor.store import Store

__all__ = ["figures_of", "find_outliers"]

# An outlier is this many standard deviations (estimated from the median absolute
# deviation) from the median,
_DEVIATIONS = 6.0
# and at least this factor from it (durations, rates) or this many dB (levels).
_FACTOR = 3.0
_LEVEL_DB = 25.0
# Smaller sets are not searched: their median says too little.
_FEWEST = 10


def find_outliers(store: Store, sets: list[DataSet], options: CheckOptions) -> None:
    """Compare every utterance with the median of its set."""
    store.db.execute("create index utt_id on utt(s, id)")
    for s, one in enumerate(sets):
        file = one.folder / one.base
        for table, _, names, lines, values in _columns(store, s):
            if table == "seconds":
                for bad, what in (
                    (values < options.min_seconds, f"below {options.min_seconds:g} s"),
                    (values > options.max_seconds, f"above {options.max_seconds:g} s"),
                ):
                    for n in np.flatnonzero(bad):
                        said = f"{values[n]:.2f} s, {what}"
                        store.report("limits", file, int(lines[n]), names(n), said)
                _report(store, "length", file, lines, names, values, "s")
            elif table == "rate":
                _report(
                    store, "text-rate", one.folder / "text", lines, names, values,
                    "characters per second",
                )  # fmt: skip
            else:
                _levels(store, file, lines, names, values)


def figures_of(store: Store, s: int, name: str) -> np.ndarray:
    """Return ``seconds``, ``rate`` (characters per second) or ``level`` (dB)."""
    for table, _, _, _, values in _columns(store, s):
        if table == name:
            return values
    return np.zeros(0)


def _columns(store: Store, s: int) -> Iterator[tuple]:
    """Yield the name, count, function from row to utterance, lines, and values."""
    queries = {
        "seconds": "select u.rowid, u.line, u.seconds from utt u where u.s=?"
        " and u.seconds > 0",
        "rate": "select u.rowid, t.line, t.chars / u.seconds from utt u join txt t on"
        " t.s = u.s and t.id = u.id where u.s=? and u.seconds > 0 and t.chars > 0",
        "level": "select u.rowid, u.line, u.rms from utt u where u.s=? and u.rms > 0",
    }
    for name, query in queries.items():
        cursor = store.rows(query, s)
        kind = [("row", "i8"), ("line", "i8"), ("value", "f8")]
        table = np.fromiter((tuple(row) for row in cursor), dtype=kind)
        rows = table["row"]

        def names(n: int, rows=rows) -> str:
            return next(store.rows("select id from utt where rowid=?", int(rows[n])))[0]

        values = table["value"]
        if name == "level":
            values = 20 * np.log10(values)
        yield name, len(table), names, table["line"], values


def _report(store, kind, file, lines, names, values, unit) -> None:
    if len(values) < _FEWEST:
        return
    logs = np.log(values)
    middle = np.median(logs)
    spread = 1.4826 * np.median(np.abs(logs - middle))
    bad = np.abs(logs - middle) > max(np.log(_FACTOR), _DEVIATIONS * spread)
    for n in np.flatnonzero(bad):
        what = f"{values[n]:.3g} {unit}, the usual value is {np.exp(middle):.3g}"
        store.report(kind, file, int(lines[n]), names(n), what)


def _levels(store, file, lines, names, values) -> None:
    if len(values) < _FEWEST:
        return
    middle = np.median(values)
    for n in np.flatnonzero(np.abs(values - middle) > _LEVEL_DB):
        what = (
            f"{values[n]:.0f} dB relative to full scale, the usual value is "
            f"{middle:.0f}"
        )
        store.report("level", file, int(lines[n]), names(n), what)
