"""Rows of a tape as columns: what every reader hands on, and what is made of it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kpi.aggregate import Aggregate, aggregate_block
from kpi.amounts import why
from kpi.columns import AMOUNTS
from kpi.sums import CACHED_ROWS, Column, Matrix
from kpi.tapes.loans import Keys, LoanIds
from kpi.tapes.quarantine import Quarantine, QuarantinedRow
from kpi.tapes.thread_pool import THREADS
from kpi.workspace import matrix

# A thread alone is quickest on blocks that fit the cache. Several lose more by taking turns at Python between the steps of
# small blocks than by leaving the cache: 10 M rows on two cores, 18 M rows/s with 2**13 rows a block, 28 with 2**17.
BLOCK_ROWS = CACHED_ROWS if THREADS == 1 else 1 << 17
_EPOCH = date(1970, 1, 1).toordinal()
Days = NDArray[np.int32]  # days since 1970-01-01


@dataclass(frozen=True)
class Batch:
    """Some rows: the amounts by column (NaN is null), the day of each, and their numbers (the first data row is 1).

    `days` may be one number for all rows. `quarantined` are rows that the reader could not turn into numbers; they are
    in `rows_read` and not in the columns.
    """

    columns: tuple[Column, ...]
    days: Days | int
    numbers: NDArray[np.int64] | int
    rows_read: int
    loans: LoanIds | None = None
    quarantined: Quarantine = field(default_factory=Quarantine)

    @property
    def rows(self) -> int:
        """How many rows are in the columns."""
        return len(self.columns[0])

    @property
    def day_of_each(self) -> Days:
        """The day of each row, also where all have one."""
        return np.broadcast_to(np.asarray(self.days, dtype=np.int32), (self.rows,))

    def number(self, at: int) -> int:
        """The number of a row by its place in the columns."""
        return self.numbers + at if isinstance(self.numbers, int) else int(self.numbers[at])

    def column(self, name: str) -> Column:
        """One amount by name."""
        return self.columns[AMOUNTS.index(name)]


@dataclass(frozen=True)
class TapePart:
    """What some rows came to. Parts add up in the order of the tape; a row's number counts from the part's start."""

    rows_read: int = 0
    aggregates: Mapping[int, Aggregate] = field(default_factory=dict)
    quarantined: Quarantine = field(default_factory=Quarantine)
    keys: tuple[Keys, ...] = ()  # of loans with their dates
    without_id: int = 0

    def __add__(self, other: "TapePart") -> "TapePart":
        aggregates = dict(self.aggregates)
        for day, aggregate in other.aggregates.items():
            moved = aggregate.shifted(self.rows_read)
            aggregates[day] = aggregates[day] + moved if day in aggregates else moved
        return TapePart(
            self.rows_read + other.rows_read,
            aggregates,
            self.quarantined + other.quarantined.shifted(self.rows_read),
            (*self.keys, *other.keys),
            self.without_id + other.without_id,
        )


def aggregate_batch(batch: Batch) -> TapePart:
    """Count a batch: aggregates by day, loan keys, and rows with negative or infinite amounts quarantined."""
    aggregates: dict[int, Aggregate] = {}
    aside: list[QuarantinedRow] = []
    for day, columns, numbers in _by_day(batch):
        aggregate = _aggregate(columns, numbers, aside)
        if aggregate.rows:
            aggregates[day] = aggregate
    keys: tuple[Keys, ...] = ()
    without = 0
    if batch.loans is not None:
        found, has_id = batch.loans.keys(batch.day_of_each)
        counted = sound(batch) if aside else np.ones(batch.rows, dtype=bool)
        without = int(np.count_nonzero(counted & ~has_id))
        counted &= has_id
        keys = (found if counted.all() else found[counted],)
    return TapePart(batch.rows_read, aggregates, batch.quarantined + Quarantine.of(aside), keys, without)


def sound(batch: Batch) -> NDArray[np.bool_]:
    """Which rows take part: none of their amounts is negative or infinite."""
    wrong = np.zeros(batch.rows, dtype=bool)
    for column in batch.columns:
        wrong |= (column < 0.0) | np.isinf(column)
    return ~wrong


def _by_day(batch: Batch) -> Iterator[tuple[int, tuple[Column, ...], NDArray[np.int64] | int]]:
    if not batch.rows:
        return
    if isinstance(batch.days, int):
        yield batch.days, batch.columns, batch.numbers
        return
    first, last = int(batch.days.min()), int(batch.days.max())
    if first == last:
        yield first, batch.columns, batch.numbers
        return
    order = np.argsort(batch.days, kind="stable")
    sorted_days = batch.days[order]
    edges = [0, *(np.flatnonzero(np.diff(sorted_days)) + 1).tolist(), len(order)]
    for begin, end in pairwise(edges):
        chosen = order[begin:end]
        numbers = batch.numbers + chosen if isinstance(batch.numbers, int) else batch.numbers[chosen]
        yield int(sorted_days[begin]), tuple(column[chosen] for column in batch.columns), numbers


def _aggregate(columns: tuple[Column, ...], numbers: NDArray[np.int64] | int, aside: list[QuarantinedRow]) -> Aggregate:
    total: Aggregate | None = None
    rows = len(columns[0])
    for begin in range(0, rows, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, rows)
        block = matrix("block", len(columns), end - begin)
        for at, column in enumerate(columns):
            block[at] = column[begin:end]
        here = numbers + begin if isinstance(numbers, int) else numbers[begin:end]
        aggregate = _aggregate_checked(block, here, aside)
        total = aggregate if total is None else total + aggregate
    return total or Aggregate()


def _aggregate_checked(block: Matrix, numbers: NDArray[np.int64] | int, aside: list[QuarantinedRow]) -> Aggregate:
    least, largest = float(block.min()), float(block.max())
    if least >= 0.0 and largest < math.inf:
        return aggregate_block(block, largest, numbers)
    wrong = (block < 0.0) | np.isinf(block)
    bad = wrong.any(axis=0)
    if bad.any():
        named = np.arange(block.shape[1]) + numbers if isinstance(numbers, int) else numbers
        for at in np.flatnonzero(bad).tolist():
            column = int(np.argmax(wrong[:, at]))
            value = float(block[column, at])
            aside.append(QuarantinedRow(int(named[at]), AMOUNTS[column], why(value), repr(value)))
        block, numbers = np.ascontiguousarray(block[:, ~bad]), named[~bad]
    return aggregate_block(block, float(block.max()), numbers) if block.shape[1] else Aggregate()


def day_number(day: date) -> int:
    """A day as the aggregates count it."""
    return day.toordinal() - _EPOCH


def day_text(number: int) -> str:
    """A day as people write it."""
    return date.fromordinal(number + _EPOCH).isoformat()
