"""The reference reader: CSV with the standard library, each cell by the rules, bad rows quarantined with a reason."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from kpi.amounts import parse_column
from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.findings import Finding, RefusedTapeError
from kpi.tapes.batch import Batch, day_number
from kpi.tapes.layout import LOAN_ID, Layout
from kpi.tapes.loans import LoanIds
from kpi.tapes.quarantine import Quarantine, QuarantinedRow
from kpi.tapes.rules import InputRules

csv.field_size_limit(1 << 30)  # how long a record may be is the rules' business, and was judged before
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_block(block: bytes, layout: Layout) -> Batch:
    """The rows of a block of whole records; refuses one whose last record was cut off."""
    width = len(layout.names)
    text = io.StringIO(block.decode(), newline="")
    try:
        rows = [row for row in csv.reader(text, delimiter=layout.rules.separator, strict=True) if row]
    except csv.Error as error:
        found, step = f"not CSV: {error}", "have the tape delivered as UTF-8 CSV or as Parquet"
        raise RefusedTapeError(Finding("unreadable", layout.source, found, step)) from error
    if rows and len(rows[-1]) < width and not block.endswith(b"\n"):
        found = f"the last line ends without a line end after {len(rows[-1])} of {width} fields"
        raise RefusedTapeError(Finding("truncated", layout.source, found, "have the tape delivered again, whole"))
    ragged = [
        QuarantinedRow(number, "(row)", "field_count", f"{len(row)} fields instead of {width}")
        for number, row in enumerate(rows, 1)
        if len(row) != width
    ]
    numbers = np.arange(1, len(rows) + 1)
    if ragged:
        numbers = np.delete(numbers, [one.row - 1 for one in ragged])
    whole = [row for row in rows if len(row) == width] if ragged else rows
    cells = dict(zip(layout.names, zip(*whole, strict=True) if whole else [()] * width, strict=True))
    return assemble(cells, numbers, len(rows), ragged, layout.rules)


def assemble(
    cells: Mapping[str, Sequence[str]],
    numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    rows_read: int,
    quarantined: list[QuarantinedRow],
    rules: InputRules,
) -> Batch:
    """A batch from cells of text: numbers and dates parsed, rows with a fault quarantined (once each, by the first)."""
    days, bad_days = _parse_days(cells[DATE_COLUMN])
    faults = {at: QuarantinedRow(int(numbers[at]), DATE_COLUMN, "bad_date", found) for at, found in bad_days}
    columns = []
    for name in AMOUNTS:
        column, wrong = parse_column(cells[name], rules)
        columns.append(column)
        for at, reason, found in wrong:
            faults.setdefault(at, QuarantinedRow(int(numbers[at]), name, reason, found))
    ids = cells.get(LOAN_ID)
    if faults:
        keep = np.ones(len(days), dtype=bool)
        keep[list(faults)] = False
        columns = [column[keep] for column in columns]
        days, numbers = days[keep], numbers[keep]
        ids = [one for one, kept in zip(ids, keep.tolist(), strict=True) if kept] if ids is not None else None
    loans = LoanIds.of(ids) if ids is not None else None
    return Batch(tuple(columns), days, numbers, rows_read, loans, Quarantine.of([*quarantined, *faults.values()]))


def _parse_days(cells: Sequence[str]) -> "tuple[np.ndarray[tuple[int], np.dtype[np.int32]], list[tuple[int, str]]]":
    known = {cell: day_number(date.fromisoformat(cell.strip())) for cell in set(cells) if is_iso_day(cell.strip())}
    days = np.array([known.get(cell, 0) for cell in cells], dtype=np.int32)
    return days, [(at, cell) for at, cell in enumerate(cells) if cell not in known]


def is_iso_day(text: str) -> bool:
    """Whether this is a day that exists, written YYYY-MM-DD."""
    if not _ISO_DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
