"""Read a tape from CSV or Parquet: strict about columns, dates and amounts; bad rows go to quarantine with a reason."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from kpi.amounts import parse_column
from kpi.columns import AMOUNTS, DATE_COLUMN, extra_columns, judge_header
from kpi.findings import Finding, RefusedTapeError, UsageError
from kpi.tape import QuarantinedRow, Tape

PARQUET_MAGIC = b"PAR1"
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_tape(path: Path) -> Tape:
    """The tape in this file; a path that cannot be read is a usage error, a content that cannot is a refused tape."""
    try:
        content = path.read_bytes()
    except OSError as error:
        found = f"cannot be read: {error.strerror}"
        raise UsageError(Finding("unreadable", str(path), found, "give the path of a tape")) from error
    return parse_tape(path.name, content)


def parse_tape(source: str, content: bytes) -> Tape:
    """The tape in these bytes."""
    if content[:4] == PARQUET_MAGIC:
        from kpi.parquet import parse_parquet  # pandas costs more to import than all the rest together

        return parse_parquet(source, content)
    return parse_csv(source, content)


def parse_csv(source: str, content: bytes) -> Tape:
    """The tape in these bytes of CSV (UTF-8, comma, header line)."""
    rows = _csv_rows(source, content)
    if not rows:
        raise RefusedTapeError(Finding("empty_tape", source, "the file is empty", "have the tape delivered again"))
    names = [name.strip() for name in rows[0]]
    findings = judge_header(source, names)
    if findings:
        raise RefusedTapeError(findings)
    body = rows[1:]
    if not body:
        found = "the tape has a header and no rows"
        raise RefusedTapeError(Finding("empty_tape", source, found, "have the tape delivered again"))
    return _from_rows(source, names, body)


def _csv_rows(source: str, content: bytes) -> list[list[str]]:
    step = "have the tape delivered as UTF-8 CSV or as Parquet"
    if b"\x00" in content:
        at = content.index(b"\x00")
        raise RefusedTapeError(Finding("unreadable", source, f"a NUL byte at offset {at}; this is no CSV", step))
    try:
        text = content.decode("utf-8-sig")
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except UnicodeDecodeError as error:
        raise RefusedTapeError(Finding("unreadable", source, f"not UTF-8 at byte {error.start}", step)) from error
    except csv.Error as error:
        raise RefusedTapeError(Finding("unreadable", source, f"not CSV: {error}", step)) from error


def _from_rows(source: str, names: list[str], body: list[list[str]]) -> Tape:
    width = len(names)
    numbers = range(1, len(body) + 1)
    ragged = [
        QuarantinedRow(number, "(row)", "field_count", f"{len(row)} fields instead of {width}")
        for number, row in zip(numbers, body, strict=True)
        if len(row) != width
    ]
    kept = [(number, row) for number, row in zip(numbers, body, strict=True) if len(row) == width] if ragged else None
    rows = [row for _, row in kept] if kept is not None else body
    row_numbers = [number for number, _ in kept] if kept is not None else list(numbers)
    cells: dict[str, tuple[str, ...]] = (
        dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    )
    return assemble(source, names, cells, row_numbers, len(body), ragged)


def assemble(
    source: str,
    names: Sequence[str],
    cells: dict[str, tuple[str, ...]],
    row_numbers: Sequence[int],
    rows_read: int,
    quarantined: list[QuarantinedRow],
) -> Tape:
    """A tape from cells of text: numbers and dates parsed, rows with a fault put aside (once each, by the first)."""
    columns = {}
    faults: dict[int, QuarantinedRow] = {}
    for at, found in _bad_dates(cells[DATE_COLUMN]):
        faults.setdefault(at, QuarantinedRow(row_numbers[at], DATE_COLUMN, "bad_date", found))
    for name in AMOUNTS:
        columns[name], wrong = parse_column(cells[name])
        for at, reason, found in wrong:
            faults.setdefault(at, QuarantinedRow(row_numbers[at], name, reason, found))
    dates = np.array([cell.strip() for cell in cells[DATE_COLUMN]], dtype=np.str_)
    if faults:
        keep = np.ones(len(dates), dtype=bool)
        keep[list(faults)] = False
        columns = {name: column[keep] for name, column in columns.items()}
        dates = dates[keep]
    put_aside = sorted([*quarantined, *faults.values()], key=lambda row: row.row)
    return Tape(source, columns, dates, rows_read, tuple(put_aside), tuple(extra_columns(names)))


def _bad_dates(cells: Sequence[str]) -> list[tuple[int, str]]:
    wrong = {cell for cell in set(cells) if not is_iso_day(cell.strip())}
    return [(at, cell) for at, cell in enumerate(cells) if cell in wrong] if wrong else []


def is_iso_day(text: str) -> bool:
    """Whether this is a day that exists, written YYYY-MM-DD."""
    if not _ISO_DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
