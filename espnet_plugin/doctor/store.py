"""Rows and findings in a database on disk, so that little memory is used."""

import sqlite3
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple

from espnet_plugin.doctor.kinds import KINDS

__all__ = ["Finding", "Store"]

_TABLES = """
create table wav(s int, line int, id text, value text);
create table seg(s int, line int, id text, value text, t0 real, t1 real);
create table txt(s int, line int, id text, value text, chars int, words int, sha blob);
create table spk(s int, line int, id text, value text);
create table s2u(s int, line int, id text, value text);
create table media(path text, file int, seconds real, rate int, channels int,
    peak real, rms real, clipped real, offset real, signature blob, sha blob);
create table utt(s int, id text, line int, seconds real, peak real, rms real,
    chars int, words int, sha blob);
create table finding(kind text, file text, line int, id text, reason text);
"""
# Number of rows that are written at a time.
_BATCH = 20000


class Finding(NamedTuple):
    """One line with an error or a warning.

    Attributes:
        kind: A name of `KINDS`.
        file: Name of the table.
        line: Line number from 1; 0 if it concerns the whole file.
        id: Name of the utterance, recording or speaker; may be empty.
        reason: What is wrong with it.
    """

    kind: str
    file: str
    line: int
    id: str
    reason: str


class Store:
    """The rows of all tables, and the findings.

    Args:
        path: The database file; an existing one is replaced.
        ignored: Kinds whose findings are not stored.
    """

    def __init__(self, path: Path, ignored: Iterable[str] = ()):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(
            "pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-65536;"
            "pragma temp_store=file;" + _TABLES
        )
        self.db.execute("begin")
        self._ignored = frozenset(ignored)
        self._found: list[Finding] = []

    def add(self, table: str, rows: Iterable[tuple]) -> None:
        """Insert rows, several thousand at a time."""
        batch: list[tuple] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                self._insert(table, batch)
                batch = []
        self._insert(table, batch)

    def _insert(self, table: str, rows: list[tuple]) -> None:
        if rows:
            marks = ",".join("?" * len(rows[0]))
            self.db.executemany(f"insert into {table} values({marks})", rows)

    def report(self, kind: str, file: object, line: int, name: str, reason: str):
        """Store a finding."""
        if kind not in KINDS:
            raise KeyError(kind)
        if kind not in self._ignored:
            self._found.append(Finding(kind, str(file), line, name, reason))
            if len(self._found) >= _BATCH:
                self.flush()

    def flush(self) -> None:
        """Write the findings that are still in memory."""
        self._insert("finding", self._found)
        self._found = []

    def rows(self, sql: str, *values: Any) -> Iterator[tuple]:
        """Yield the rows of a query."""
        return iter(self.db.execute(sql, values))

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind, in the order of `KINDS`."""
        self.flush()
        found = dict(self.rows("select kind, count(*) from finding group by kind"))
        return {name: found[name] for name in KINDS if name in found}

    def findings(self, kind: str, limit: int = -1) -> Iterator[Finding]:
        """Yield the findings of a kind, sorted by file and line."""
        self.flush()
        sql = "select * from finding where kind=? order by file, line, id limit ?"
        return map(Finding._make, self.rows(sql, kind, limit))

    def close(self) -> None:
        """Close the database."""
        self.db.close()
