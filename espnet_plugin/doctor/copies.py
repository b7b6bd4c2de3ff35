"""Find recordings that are copies of others: at another level, or with added silence.

Copies with the same samples have the same digest and are found by :mod:`.between`.
"""

from itertools import product
from typing import Iterator, NamedTuple

import numpy as np

from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.signature import PEAKS, SHARES, UNIT
from espnet_plugin.doctor.store import Store

__all__ = ["find_copies"]

# The energy of two copies has passed at the same times, up to this difference: it is
# measured in frames of 10 ms, which begin elsewhere in a shifted copy.
_SHARES_AGREE = round(0.015 / UNIT)
# So many of the highest samples are at the same places, up to this difference.
_COMMON, _PEAKS_AGREE = 8, round(0.00015 / UNIT)
# Recordings of one length and with the same course of energy with which one is
# compared, so that a corpus of stationary noise does not take quadratic time.
_COMPARED = 32
# Sizes of what is held in memory at a time: recordings, and pairs.
_MANY, _ROWS, _PAIRS = 4096, 50_000, 1000
# Smaller differences of level are not named, in dB.
_LEVEL = 0.3


class _Use(NamedTuple):
    """The first utterance of a recording."""

    s: int
    line: int
    id: str
    peak: float


def find_copies(store: Store, sets: list[DataSet]) -> None:
    """Report each recording that is almost the same as an earlier one.

    Args:
        store: Has the table ``heard`` of :mod:`.between`.
        sets: The sets that are checked.
    """
    rows = store.rows(
        "select min(rowid), signature from media where signature is not null"
        " and sha in (select sha from heard) group by sha"
    )
    media = np.zeros(_MANY, dtype=np.int64)
    whole = np.zeros((_MANY, SHARES + PEAKS), dtype="<i4")
    count = 0
    for row, one in rows:
        if count == len(media):
            # In place, so that there is no second copy.
            media.resize(2 * count, refcheck=False)
            whole.resize((2 * count, SHARES + PEAKS), refcheck=False)
        media[count], whole[count] = row, np.frombuffer(one, "<i4")
        count += 1
    whole = whole[:count]
    said: dict[tuple[_Use, bool], tuple[_Use, int]] = {}
    for a, b, shift in _copies(whole):
        one, other = (_first_use(store, int(media[n])) for n in (a, b))
        if one < other:
            one, other, shift = other, one, -shift
        key = one, one.s == other.s
        if key not in said or other < said[key][0]:
            said[key] = other, -shift
    for (one, _), (other, shift) in sorted(said.items()):
        _report(store, sets, one, other, shift * UNIT)


def _copies(signatures: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of rows, and how much later the second is."""
    shares = signatures[:, :SHARES]
    for a, b in _candidates(shares):
        apart = shares[b].astype(np.int64) - shares[a]
        apart -= np.median(apart, axis=1).astype(np.int64)[:, None]
        agree = np.abs(apart).max(axis=1) <= _SHARES_AGREE
        a, b = a[agree], b[agree]
        for n in range(0, len(a), _PAIRS):
            yield from _with_common_peaks(
                signatures, a[n : n + _PAIRS], b[n : n + _PAIRS]
            )


def _candidates(shares: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows in pairs whose energies may pass at the same times.

    Three distances of these times are the coordinates of a recording in a grid, and
    recordings in neighbouring cells are compared.
    """
    last, middle, quarter = SHARES - 1, SHARES // 2, SHARES // 4
    grid = [
        (shares[:, end].astype(np.int64) - shares[:, begin]) // _SHARES_AGREE
        for begin, end in ((0, last), (0, middle), (quarter, middle))
    ]
    # 21 bits are enough for ten hours.
    codes = (grid[0] << 42) + (grid[1] << 21) + grid[2]
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    steps = [
        (x << 42) + (y << 21) + z
        for x, y, z in product((-1, 0, 1), repeat=3)
        if (x, y, z) >= (0, 0, 0)  # each pair of cells once
    ]
    for begin in range(0, len(codes), _ROWS):
        rows = np.arange(begin, min(begin + _ROWS, len(codes)))
        for step in steps:
            first = np.searchsorted(codes, codes[rows] + step, "left")
            if step == 0:
                first = rows + 1
            end = np.searchsorted(codes, codes[rows] + step, "right")
            count = np.clip(end - first, 0, _COMPARED)
            if not count.any():
                continue
            a = np.repeat(rows, count)
            nth = np.arange(len(a)) - np.repeat(np.cumsum(count) - count, count)
            yield order[a], order[np.repeat(first, count) + nth]


def _with_common_peaks(
    signatures: np.ndarray, a: np.ndarray, b: np.ndarray
) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs whose highest samples are at the same places after a shift."""
    one, other = (signatures[rows, SHARES:].astype(np.int64) for rows in (a, b))
    apart = (other[:, None, :] - one[:, :, None]).reshape(len(a), PEAKS * PEAKS)
    apart.sort(axis=1)
    spread = apart[:, _COMMON - 1 :] - apart[:, : 1 - _COMMON]
    best = spread.argmin(axis=1)
    for n in np.flatnonzero(spread.min(axis=1) <= _PEAKS_AGREE):
        yield int(a[n]), int(b[n]), int(apart[n, best[n]])


def _first_use(store: Store, row: int) -> _Use:
    found = store.rows(
        "select h.s, h.line, h.id, m.peak from media m join heard h on h.sha = m.sha"
        " where m.rowid = ? order by h.s, h.line limit 1",
        row,
    )
    return _Use(*next(found))


def _report(
    store: Store, sets: list[DataSet], one: _Use, other: _Use, later: float
) -> None:
    file, earlier = (sets[use.s].folder / sets[use.s].base for use in (one, other))
    level = 20 * np.log10(one.peak / other.peak)
    how = []
    if abs(level) >= _LEVEL:
        how.append(f"{abs(level):.1f} dB {'louder' if level > 0 else 'softer'}")
    if abs(later) >= 0.001:
        how.append(f"{abs(later):.3f} s {'later' if later > 0 else 'earlier'}")
    more = " and ".join(how) or "with slightly different samples"
    if one.s == other.s:
        what = f"as {other.id} on line {other.line}, {more}"
        store.report("same-audio", file, one.line, one.id, what)
    else:
        what = f"{earlier}:{other.line}: {other.id}, {more}"
        store.report("shared-audio", file, one.line, one.id, what)
