"""Find utterances that share most of their audio: overlapping parts of one recording.

Utterances with exactly the same times are found by :mod:`.between`.
"""

from itertools import groupby
from typing import Iterator, NamedTuple

from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Store

__all__ = ["find_overlaps"]

# Share of the shorter utterance that both have.
_SHARE = 0.5
# Number of earlier utterances with which one is compared, so that a table of nothing
# but overlaps does not take quadratic time.
_COMPARED = 32


class _Place(NamedTuple):
    """An utterance in a recording; times in seconds, as given: -1 for the end."""

    start: float
    end: float
    given_end: float
    s: int
    line: int
    name: str

    def shared(self, other: "_Place") -> float:
        """Return the seconds that both contain."""
        return min(self.end, other.end) - max(self.start, other.start)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def find_overlaps(store: Store, sets: list[DataSet]) -> None:
    """Report each utterance of which an earlier one has more than half.

    Args:
        store: Has the table ``heard`` of :mod:`.between`.
        sets: The sets that are checked.
    """
    rows = store.rows(
        "select h.sha, h.t0, case when h.t1 = -1 then coalesce(h.seconds, 1e9) else"
        " h.t1 end t_end, h.t1, h.s, h.line, h.id from heard h join (select sha from"
        " heard group by sha having count(*) > 1 and (max(t0) > 0 or max(t1) != -1)) d"
        " on d.sha = h.sha order by h.sha, h.t0, t_end, h.s, h.line"
    )
    for _, places in groupby(rows, key=lambda row: row[0]):
        for one, other in _pairs(_Place(*row[1:]) for row in places):
            _report(store, sets, one, other)


def _pairs(places: Iterator[_Place]) -> Iterator[tuple[_Place, _Place]]:
    """Yield utterances with one that they overlap, of the same and of another set."""
    before: list[_Place] = []
    for one in places:
        before = [other for other in before if other.end > one.start]
        said = set()
        for other in reversed(before):
            same = (other.start, other.given_end) == (one.start, one.given_end)
            shorter = min(one.seconds, other.seconds)
            within = other.s == one.s
            if same or within in said or one.shared(other) <= _SHARE * shorter:
                continue
            said.add(within)
            yield one, other
        before = [*before, one][-_COMPARED:]


def _report(store: Store, sets: list[DataSet], one: _Place, other: _Place) -> None:
    # In the later set, as for whole files.
    if other.s > one.s:
        one, other = other, one
    file, earlier = (sets[p.s].folder / sets[p.s].base for p in (one, other))
    shared = f"{one.shared(other):.2f} s"
    if one.s == other.s:
        what = f"{shared} are also in {other.name} on line {other.line}"
        store.report("overlap", file, one.line, one.name, what)
    else:
        what = f"{earlier}:{other.line}: {other.name}, {shared} of both"
        store.report("shared-audio", file, one.line, one.name, what)
