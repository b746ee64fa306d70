"""Rows of a tape as columns: what every reader hands on, and what is made of it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kpi.amounts import why
from kpi.columns import AMOUNTS
from kpi.sums import CACHED_ROWS, Column, Matrix
from kpi.tally import Tally, tally_block
from kpi.tapes.crew import THREADS
from kpi.tapes.loans import Keys, LoanIds
from kpi.tapes.quarantine import Quarantine, QuarantinedRow
from kpi.workspace import matrix

# A thread alone is quickest on blocks that fit the cache. Several lose more by taking turns at Python between the steps of
# small blocks than by leaving the cache: 10 M rows on two cores, 18 M rows/s with 2**13 rows a block, 28 with 2**17.
BLOCK_ROWS = CACHED_ROWS if THREADS == 1 else 1 << 17
_EPOCH = date(1970, 1, 1).toordinal()
Days = NDArray[np.int32]  # days since 1970-01-01


@dataclass(frozen=True)
class Batch:
    """Some rows: the amounts by column (NaN is null), the day of each, and their numbers (the first data row is 1).

    `days` may be one number for all rows. `put_aside` are rows that the reader could not turn into numbers; they are
    in `rows_read` and not in the columns.
    """

    columns: tuple[Column, ...]
    days: Days | int
    numbers: NDArray[np.int64] | int
    rows_read: int
    loans: LoanIds | None = None
    put_aside: Quarantine = field(default_factory=Quarantine)

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
class Part:
    """What some rows came to. Parts add up in the order of the tape; a row's number counts from the part's start."""

    rows_read: int = 0
    tallies: Mapping[int, Tally] = field(default_factory=dict)
    put_aside: Quarantine = field(default_factory=Quarantine)
    keys: tuple[Keys, ...] = ()  # of loans with their dates
    without_id: int = 0

    def __add__(self, other: "Part") -> "Part":
        tallies = dict(self.tallies)
        for day, tally in other.tallies.items():
            moved = tally.shifted(self.rows_read)
            tallies[day] = tallies[day] + moved if day in tallies else moved
        return Part(
            self.rows_read + other.rows_read,
            tallies,
            self.put_aside + other.put_aside.shifted(self.rows_read),
            (*self.keys, *other.keys),
            self.without_id + other.without_id,
        )


def tally_batch(batch: Batch) -> Part:
    """Count a batch: tallies by day, loan keys, and rows whose amounts are negative or infinite put aside."""
    tallies: dict[int, Tally] = {}
    aside: list[QuarantinedRow] = []
    for day, columns, numbers in _by_day(batch):
        tally = _tally(columns, numbers, aside)
        if tally.rows:
            tallies[day] = tally
    keys: tuple[Keys, ...] = ()
    without = 0
    if batch.loans is not None:
        found, has_id = batch.loans.keys(batch.day_of_each)
        counted = sound(batch) if aside else np.ones(batch.rows, dtype=bool)
        without = int(np.count_nonzero(counted & ~has_id))
        counted &= has_id
        keys = (found if counted.all() else found[counted],)
    return Part(batch.rows_read, tallies, batch.put_aside + Quarantine.of(aside), keys, without)


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


def _tally(columns: tuple[Column, ...], numbers: NDArray[np.int64] | int, aside: list[QuarantinedRow]) -> Tally:
    total: Tally | None = None
    rows = len(columns[0])
    for begin in range(0, rows, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, rows)
        block = matrix("block", len(columns), end - begin)
        for at, column in enumerate(columns):
            block[at] = column[begin:end]
        here = numbers + begin if isinstance(numbers, int) else numbers[begin:end]
        tally = _tally_checked(block, here, aside)
        total = tally if total is None else total + tally
    return total or Tally()


def _tally_checked(block: Matrix, numbers: NDArray[np.int64] | int, aside: list[QuarantinedRow]) -> Tally:
    least, largest = float(block.min()), float(block.max())
    if least >= 0.0 and largest < math.inf:
        return tally_block(block, largest, numbers)
    wrong = (block < 0.0) | np.isinf(block)
    bad = wrong.any(axis=0)
    if bad.any():
        named = np.arange(block.shape[1]) + numbers if isinstance(numbers, int) else numbers
        for at in np.flatnonzero(bad).tolist():
            column = int(np.argmax(wrong[:, at]))
            value = float(block[column, at])
            aside.append(QuarantinedRow(int(named[at]), AMOUNTS[column], why(value), repr(value)))
        block, numbers = np.ascontiguousarray(block[:, ~bad]), named[~bad]
    return tally_block(block, float(block.max()), numbers) if block.shape[1] else Tally()


def day_number(day: date) -> int:
    """A day as the tallies count it."""
    return day.toordinal() - _EPOCH


def day_text(number: int) -> str:
    """A day as people write it."""
    return date.fromordinal(number + _EPOCH).isoformat()
