"""watch.sqlite: the samples, judgements and events of a watch, for queries. An index made of the journal; losing it loses nothing.

Ask it of `samples` (host, at, t, row, signal, value; signal is the dotted path of a number in the look's documents), `looks`,
`judgements` and `events`. `PRAGMA user_version` is the version of this schema; `meta` says how far the journal had come.
"""

import json
import math
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cutover.journal.record import Record, parse

VERSION = 1
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE looks (
  seq INTEGER PRIMARY KEY, host TEXT NOT NULL, at REAL NOT NULL, t REAL NOT NULL, row INTEGER NOT NULL, error TEXT NOT NULL
);
CREATE TABLE signals (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE figures (
  signal INTEGER NOT NULL, look INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (signal, look)
) WITHOUT ROWID;
CREATE VIEW samples AS SELECT host, at, t, row, name AS signal, value
  FROM figures JOIN signals ON signals.id = figures.signal JOIN looks ON looks.seq = figures.look;
CREATE TABLE judgements (
  seq INTEGER NOT NULL, host TEXT NOT NULL, t REAL NOT NULL, row INTEGER NOT NULL, rule TEXT NOT NULL, verdict TEXT NOT NULL,
  level TEXT NOT NULL, pending INTEGER NOT NULL, rolls_back INTEGER NOT NULL, value REAL, unit TEXT NOT NULL, "limit" REAL,
  n INTEGER, bound REAL, window REAL NOT NULL, words TEXT NOT NULL, PRIMARY KEY (seq, rule)
) WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, host TEXT NOT NULL, data TEXT NOT NULL);
"""
_AT_ONCE = 2000  # records a transaction while it is rebuilt


def rebuild(journal: Path, path: Path) -> int:
    """Make the index anew of a journal, the chain verified on the way, and put it in place at once. Gives the number of its records."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    database = _opened(fresh)
    try:
        _create(database)
        count = 0
        with journal.open(newline="\n") as file:
            for record in parse(file, journal.name):
                _insert(database, record)
                count += 1
                if count % _AT_ONCE == 0:
                    database.commit()
        database.commit()
        database.close()
        fresh.replace(path)
    finally:
        database.close()
        fresh.unlink(missing_ok=True)
    return count


def follow(journal: Path, path: Path) -> "Index":
    """The index, brought up to the journal where it is not, open for what comes. Give it to `journal.listen`."""
    if not _is_at(path, _last(journal)):
        rebuild(journal, path)
    return Index(journal, path)


class Index:
    """Adds each record. What SQLite cannot do (disk full) is an OSError, upon which the journal goes on without it and says so."""

    def __init__(self, journal: Path, path: Path) -> None:
        self._journal, self._path = journal, path
        self._lock = threading.Lock()
        self._database = _opened(path)
        self._seq = _seq(self._database)

    def __call__(self, record: Record) -> None:
        """Add one record. Where some in between were not heard, the index is made anew of the journal."""
        with self._lock:
            try:
                if record.seq > self._seq + 1:
                    self._again()
                elif record.seq == self._seq + 1:
                    _insert(self._database, record)
                    self._database.commit()
                    self._seq = record.seq
            except sqlite3.Error as failure:
                raise OSError(f"{self._path}: {failure}") from failure

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _again(self) -> None:
        self._database.close()
        rebuild(self._journal, self._path)
        self._database = _opened(self._path)
        self._seq = _seq(self._database)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    database.execute("PRAGMA synchronous = OFF")  # the journal is what survives a crash; this is made anew of it
    database.execute("PRAGMA journal_mode = MEMORY")
    return database


def _create(database: sqlite3.Connection) -> None:
    database.executescript(_SCHEMA)
    database.execute(f"PRAGMA user_version = {VERSION}")


def _insert(database: sqlite3.Connection, record: Record) -> None:
    data = record.data
    if record.kind == "sample":
        look = (record.seq, data["host"], data["at"], data["t"], bool(data["row"]), data["error"])
        database.execute("INSERT INTO looks VALUES (?, ?, ?, ?, ?, ?)", look)
        found = list(numbers(data["documents"]))
        database.executemany("INSERT OR IGNORE INTO signals (name) VALUES (?)", [(name,) for name, _ in found])
        into = "INSERT INTO figures SELECT id, ?, ? FROM signals WHERE name = ?"
        database.executemany(into, [(record.seq, value, name) for name, value in found])
    elif record.kind == "judged":
        into = "INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        database.executemany(into, [_judgement(record, one) for one in data["judgements"]])
    else:
        event = (record.seq, record.at, record.kind, record.host, json.dumps(data, ensure_ascii=False, sort_keys=True))
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", event)
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [("seq", str(record.seq)), ("hash", record.hash)])


def _judgement(record: Record, one: Mapping[str, Any]) -> tuple[Any, ...]:
    head = (
        record.seq,
        record.host,
        record.data["t"],
        bool(record.data["row"]),
        one["rule"],
        one["verdict"],
        one["level"],
    )
    rest = ("value", "unit", "limit", "n", "bound", "window", "words")
    return (*head, one["pending"], one["rolls_back"], *(one[name] for name in rest))


def numbers(document: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a document with its dotted path; yes and no are 1 and 0, and what is not measured is not there."""
    if isinstance(document, Mapping):
        for name, value in document.items():
            yield from numbers(value, f"{path}.{name}" if path else str(name))
    elif isinstance(document, int | float) and math.isfinite(document):  # SQLite would keep NaN as nothing
        yield path, float(document)


def _is_at(path: Path, last: Record | None) -> bool:
    """Whether an index is there, of this schema, and up to just that record."""
    if not path.exists():
        return False
    try:
        database = sqlite3.connect(path)
        try:
            of_this_schema = database.execute("PRAGMA user_version").fetchone()[0] == VERSION
            return of_this_schema and _meta(database, "hash") == (last.hash if last else "")
        finally:
            database.close()
    except sqlite3.Error:
        return False  # not an index, or half of one: it is made anew


def _last(journal: Path) -> Record | None:
    """The newest whole record of a journal, its chain verified."""
    with journal.open(newline="\n") as file:
        return _newest(parse(file, journal.name))


def _newest(records: Iterable[Record]) -> Record | None:
    newest = None
    for record in records:
        newest = record
    return newest


def _seq(database: sqlite3.Connection) -> int:
    return int(_meta(database, "seq") or 0)


def _meta(database: sqlite3.Connection, name: str) -> str:
    found = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(found[0]) if found else ""
