"""Compare the tables of one set, and the sets with each other."""

import re
import unicodedata
from itertools import combinations
from typing import Iterator

from espnet_plugin.doctor.characters import compare_characters
from espnet_plugin.doctor.copies import find_copies
from espnet_plugin.doctor.look_alikes import find_look_alikes
from espnet_plugin.doctor.overlaps import find_overlaps
from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Store

__all__ = ["compare_sets", "compare_tables"]

_FILES = {"wav": "wav.scp", "seg": "segments", "txt": "text", "spk": "utt2spk"}
# Signs that other formats have between the name of an utterance and its value.
_SEPARATOR = re.compile(r"([^|,;]+)([|,;])")
# Fewer shared transcripts than this share of the smaller set may be chance.
_SHARED_TEXTS = 0.02


def compare_tables(store: Store, sets: list[DataSet]) -> None:
    """Find names that are repeated in a table, or missing in a table of the set."""
    for table in _FILES:
        store.db.execute(f"create index if not exists {table}_id on {table}(s, id)")
    for s, one in enumerate(sets):
        base = "seg" if one.base == "segments" else "wav"
        tables = [base, "spk", *(["txt"] if one.labelled else [])]
        there = [
            t for t in tables if next(store.rows(f"select 1 from {t} where s=?", s), 0)
        ]
        for table in {*there, "wav"}:
            file = one.folder / _FILES[table]
            for line, name, before in _twice(store, table, s):
                what = f"{name} is already on line {before}"
                store.report("duplicate-id", file, line, name, what)
        for n, table in enumerate(there):
            for other in there:
                if other == table:
                    continue
                # Report a missing name once for each table that lacks it, and name the
                # first table that has it.
                nowhere = "".join(
                    f" and not exists (select 1 from {t} b where b.s=a.s and b.id=a.id)"
                    for t in sorted({other, *there[:n]})
                )
                query = f"select line, id from {table} a where s=?{nowhere}"
                rows = store.rows(query, s)
                for line, name in rows:
                    what = f"{name} is not in {_FILES[other]}"
                    what += _other_form(store, other, s, name)
                    what += _other_separator(store, other, s, name)
                    file = one.folder / _FILES[table]
                    store.report("not-everywhere", file, line, name, what)
        if one.labelled:
            _begin_with_speaker(store, s, one)
        if base == "seg":
            rows = store.rows(
                "select line, id, value from seg a where s=? and value != '' and not"
                " exists (select 1 from wav b where b.s=a.s and b.id=a.value)",
                s,
            )
            for line, name, recording in rows:
                what = f"its recording {recording} is not in wav.scp"
                if _has(store, "wav", s, name):
                    what += f", but {name} is: are the first two columns exchanged?"
                file = one.folder / "segments"
                store.report("bad-segment", file, line, name, what)


def _other_form(store: Store, table: str, s: int, name: str) -> str:
    """Return a hint if a table has the name in another form of Unicode, else ""."""
    if name.isascii():
        return ""
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, name)
        query = f"select line from {table} where s=? and id=?"
        row = next(store.rows(query, s, other), None) if other != name else None
        if row is not None:
            return f", but line {row[0]} is the same name in Unicode's form {form}"
    return ""


def _has(store: Store, table: str, s: int, name: str) -> bool:
    query = f"select 1 from {table} where s=? and id=?"
    return next(store.rows(query, s, name), None) is not None


def _other_separator(store: Store, table: str, s: int, name: str) -> str:
    """Return a hint if a name and its value are separated by a comma or the like."""
    found = _SEPARATOR.match(name)
    if found is None or not _has(store, table, s, found[1]):
        return ""
    return f", but {found[1]} is: write a space instead of {found[2]!r} after the name"


def _begin_with_speaker(store: Store, s: int, one: DataSet) -> None:
    """Report a column too many: most transcripts begin with the speaker's name."""
    rows = store.rows(
        "select count(*), min(t.line), t.id, p.value from txt t join spk p on p.s = t.s"
        " and p.id = t.id where t.s=? and substr(t.value, 1, length(p.value) + 1) ="
        " p.value || ' '",
        s,
    )
    count, line, name, speaker = next(rows)
    (total,) = next(store.rows("select count(*) from txt where s=?", s))
    if total and count > total / 2:
        what = f"{count} transcripts begin with the name of their speaker ({speaker})"
        store.report("markup", one.folder / "text", line, name, what)


def _twice(store: Store, table: str, s: int) -> Iterator[tuple[int, str, int]]:
    yield from store.rows(
        f"select a.line, a.id, d.first from {table} a join (select id, min(line) first"
        f" from {table} where s=? group by id having count(*) > 1) d on d.id = a.id"
        " where a.s=? and a.line > d.first",
        s,
        s,
    )


def compare_sets(store: Store, sets: list[DataSet]) -> None:
    """Find audio, names, texts and speakers shared by two sets or repeated in one."""
    _same_audio(store, sets)
    find_overlaps(store, sets)
    find_copies(store, sets)
    find_look_alikes(store, sets)
    for table in ("txt_sha", "spk_value"):
        name, column = table.split("_")
        store.db.execute(
            f"create index if not exists {table} on {name}(s, {column}, line)"
        )
    for a, b in combinations(range(len(sets)), 2):
        _shared(store, sets, a, b)
    compare_characters(store, sets)


def _same_audio(store: Store, sets: list[DataSet]) -> None:
    """Group files by their samples, or by their paths if they were not decoded."""
    store.db.execute("create index media_sha on media(sha)")
    store.db.execute("create index media_path on media(path)")
    segmented = ",".join(str(s) for s, one in enumerate(sets) if one.base == "segments")
    # One row for each utterance: the samples of its file, and its place in the file.
    store.db.execute(
        "create temp table heard as select coalesce(m.sha, w.value) sha,"
        " coalesce(g.t0, 0) t0, coalesce(g.t1, -1) t1, w.s s,"
        " coalesce(g.line, w.line) line, coalesce(g.id, w.id) id, m.seconds seconds"
        " from wav w left join media m on m.path = w.value"
        " left join seg g on g.s = w.s and g.value = w.id"
        # Recordings of which a set with segments uses nothing are not part of it.
        f" where g.id is not null or w.s not in ({segmented})"
    )
    store.db.execute("create index heard_sha on heard(sha, t0, t1)")
    rows = store.rows(
        "select a.s, a.line, a.id, b.s, b.line, b.id from heard a join ("
        " select sha, t0, t1, min(s * 1000000000000 + line) first from heard"
        " group by sha, t0, t1 having count(*) > 1) d"
        " on d.sha = a.sha and d.t0 = a.t0 and d.t1 = a.t1"
        " join heard b on b.sha = d.sha and b.t0 = d.t0 and b.t1 = d.t1"
        " and b.s = d.first / 1000000000000 and b.line = d.first % 1000000000000"
        " where a.s * 1000000000000 + a.line > d.first order by a.s, a.line"
    )
    for s, line, name, s0, line0, name0 in rows:
        file = sets[s].folder / sets[s].base
        if s == s0:
            what = f"as {name0} on line {line0}"
            store.report("same-audio", file, line, name, what)
        else:
            other = sets[s0].folder / sets[s0].base
            store.report("shared-audio", file, line, name, f"{other}:{line0}: {name0}")


def _shared(store: Store, sets: list[DataSet], a: int, b: int) -> None:
    first, second = sets[a], sets[b]
    base_a, base_b = (
        "seg" if one.base == "segments" else "wav" for one in (first, second)
    )
    rows = store.rows(
        f"select y.line, y.id, x.line from {base_b} y join {base_a} x"
        " on x.s=? and x.id = y.id where y.s=?",
        a,
        b,
    )
    for line, name, line0 in rows:
        where = f"{first.folder / first.base}:{line0}"
        store.report("shared-id", second.folder / second.base, line, name, where)
    count = "select count(distinct sha) from txt where s=? and words > 0"
    sizes = [next(store.rows(count, s))[0] for s in (a, b)]
    query = (
        "from txt y join (select sha, min(line) line from txt where s=? and words > 0"
        " group by sha) x on x.sha = y.sha where y.s=?"
    )
    (common,) = next(store.rows(f"select count(distinct y.sha) {query}", a, b))
    if common and common > _SHARED_TEXTS * min(sizes):
        rows = store.rows(f"select y.line, y.id, y.value, x.line {query}", a, b)
        for line, name, text, line0 in rows:
            what = f"{text!r} is {first.folder / 'text'}:{line0} too"
            store.report("shared-text", second.folder / "text", line, name, what)
    rows = store.rows(
        "select y.value, min(y.line), count(*) from spk y where y.s=? and y.value in"
        " (select value from spk where s=?) and y.value != y.id"
        " group by y.value order by 2",
        b,
        a,
    )
    for speaker, line, count in rows:
        own = "1 utterance" if count == 1 else f"{count} utterances"
        what = f"{own} here, other utterances in {first.folder}"
        store.report("shared-speaker", second.folder / "utt2spk", line, speaker, what)
