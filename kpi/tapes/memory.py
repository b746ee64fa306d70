"""Tapes in memory: a mapping of arrays or a data frame (by its columns; pandas itself is not imported)."""

from collections.abc import Iterator
from datetime import date
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.findings import Finding, RefusedTapeError
from kpi.personal import SAMPLES
from kpi.tapes.batch import Batch, day_number
from kpi.tapes.layout import LOAN_ID, judge_names
from kpi.tapes.loans import LoanIds
from kpi.tapes.plain import assemble, is_iso_day
from kpi.tapes.rules import InputRules

PIECE_ROWS = 1 << 17


class Columns(Protocol):
    """Anything with named columns: a dict of arrays, a DataFrame."""

    def __getitem__(self, name: str, /) -> Any:
        """One column."""

    def __iter__(self) -> Iterator[Any]:
        """The names of the columns."""


def batches(source: str, columns: Columns) -> Iterator[Batch]:
    """The rows in pieces; numbers and days are taken as they are, anything else goes the way of text, cell by cell."""
    names = tuple(str(name) for name in columns)
    judge_names(source, names, rows=_first_rows(columns))
    amounts = [_array(columns[name]) for name in AMOUNTS]
    days = _array(columns[DATE_COLUMN])
    ids = _array(columns[LOAN_ID]) if LOAN_ID in names else None
    rows = _rows(source, amounts, days, ids)
    known = _days(days)
    for begin in range(0, rows, PIECE_ROWS):
        end = min(begin + PIECE_ROWS, rows)
        part = [column[begin:end] for column in amounts]
        some = None if ids is None else ids[begin:end]
        if known is not None and all(column.dtype.kind in "fiu" for column in part):
            numbers = tuple(column.astype(np.float64, copy=False) for column in part)
            loans = None if some is None else LoanIds.of(_texts(some))
            here = known if isinstance(known, int) else known[begin:end]
            yield Batch(numbers, here, 1, end - begin, loans)
            continue
        texts = {name: _texts(column) for name, column in zip(AMOUNTS, part, strict=True)}
        texts[DATE_COLUMN] = [str(days[()])] * (end - begin) if days.ndim == 0 else _texts(days[begin:end])
        if some is not None:
            texts[LOAN_ID] = _texts(some)
        yield assemble(texts, np.arange(1, end - begin + 1), end - begin, [], InputRules())


def _first_rows(columns: Columns) -> Iterator[tuple[str, ...]]:
    """Some rows as text, for the judgement whether they are about people; amounts are not, and stay out."""
    return zip_longest(*(_first_cells(columns, name) for name in columns), fillvalue="")


def _first_cells(columns: Columns, name: Any) -> list[str]:
    cells = np.empty(0) if name in AMOUNTS else _array(columns[name])
    return _texts(cells[:SAMPLES]) if cells.ndim == 1 else []


def _array(column: Any) -> Any:
    # A Series' own way out is half the price of numpy's way in.
    return column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)


def _rows(source: str, amounts: list[Any], days: Any, ids: Any) -> int:
    lengths = {len(column) for column in (*amounts, *([days] if days.ndim else []), *([] if ids is None else [ids]))}
    if len(lengths) > 1:
        found = f"columns of different lengths: {sorted(lengths)}"
        raise RefusedTapeError(Finding("ragged_columns", source, found, "give columns of one length"))
    rows = lengths.pop()
    if not rows:
        found = "the tape has columns and no rows"
        raise RefusedTapeError(Finding("empty_tape", source, found, "have the tape delivered again"))
    return rows


def _days(days: Any) -> Any:
    """The day of each row, or the one of all; None where a cell is not a day."""
    if days.ndim == 0 or (days.dtype.kind in "OUT" and bool((days == days[0]).all())):
        return _day(days[()] if days.ndim == 0 else days[0])
    if days.dtype.kind == "M":
        return None if np.isnat(days).any() else days.astype("datetime64[D]").astype(np.int32)
    if days.dtype.kind not in "OUT":
        return None
    cells, places = np.unique(days.astype(str), return_inverse=True)
    known = [_day(cell) for cell in cells.tolist()]
    return None if None in known else np.array(known, dtype=np.int32)[places]


def _day(cell: Any) -> int | None:
    text = _text(cell)
    return day_number(date.fromisoformat(text.strip())) if is_iso_day(text.strip()) else None


def _texts(column: Any) -> list[str]:
    return [_text(cell) for cell in column.tolist()] if column.dtype.kind != "M" else list(map(_text, column))


def _text(cell: Any) -> str:
    """A cell as a CSV would have it; what is missing is empty."""
    if cell is None or type(cell).__name__ == "NAType" or cell != cell:  # noqa: PLR0124 - NaN and NaT differ from themselves
        return ""
    if isinstance(cell, np.datetime64):
        return str(cell.astype("datetime64[D]"))
    return cell.isoformat()[:10] if isinstance(cell, date) else str(cell)
