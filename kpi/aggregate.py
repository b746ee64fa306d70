"""The one aggregate that all KPIs come from: what is known of the rows of one measurement date.

Aggregates are made from blocks of rows and added up; the result is the same for any order, any cut, and any engine.
"""

import math
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kpi.columns import AMOUNTS, BUCKETS, RECEIVABLE
from kpi.sums import Matrix, exact_totals, fixed, rounded

AGES = ("current", "0-7", "7-30", "30-60", "60-90", "90+", "unknown")
# Half a cent a row: amounts are USD with cents, buckets and receivable are rounded apart from each other.
BUCKET_TOLERANCE_USD = 0.005
BUCKET_TOLERANCE = 1e-9
_RECEIVABLE = AMOUNTS.index(RECEIVABLE)
_BUCKETS = [AMOUNTS.index(name) for name in BUCKETS]
_NONE = (0,) * len(AMOUNTS)


@dataclass(frozen=True)
class Excess:
    """Rows whose ageing buckets add up to more than their receivable: how many, and the first of them."""

    count: int
    row: int
    buckets: float
    receivable: float

    def __add__(self, other: "Excess") -> "Excess":
        first = min(self, other, key=lambda one: one.row)
        return Excess(self.count + other.count, first.row, first.buckets, first.receivable)

    def shifted(self, rows: int) -> "Excess":
        """The same, that many rows further down the tape."""
        return Excess(self.count, self.row + rows, self.buckets, self.receivable)


@dataclass(frozen=True)
class Aggregate:
    """Counts and exact sums of some rows of one date. Sums are whole numbers of `kpi.sums`' steps, by `AMOUNTS`.

    `counts` puts each row into the worst bucket in which it has a balance (current if in none), by `AGES`; a row with a
    null in its receivable or in a bucket is `unknown`. `unknown` is what such rows owe beyond the buckets they do name.
    """

    rows: int = 0
    nulls: tuple[int, ...] = _NONE
    sums: tuple[int, ...] = _NONE
    counts: tuple[int, ...] = (0,) * len(AGES)
    unknown: int = 0
    excess: Excess | None = None

    def __add__(self, other: "Aggregate") -> "Aggregate":
        excess = self.excess + other.excess if self.excess and other.excess else self.excess or other.excess
        return Aggregate(
            self.rows + other.rows,
            tuple(map(add, self.nulls, other.nulls)),
            tuple(map(add, self.sums, other.sums)),
            tuple(map(add, self.counts, other.counts)),
            self.unknown + other.unknown,
            excess,
        )

    def shifted(self, rows: int) -> "Aggregate":
        """The same, that many rows further down the tape."""
        excess = self.excess.shifted(rows) if self.excess else None
        return Aggregate(self.rows, self.nulls, self.sums, self.counts, self.unknown, excess)

    def total(self, *columns: str) -> float:
        """The exactly rounded sum of these columns together; OverflowError when no float is large enough."""
        return rounded(sum(self.sums[AMOUNTS.index(name)] for name in columns))

    def ageing(self) -> dict[str, dict[str, Any]]:
        """Balance and rows by age: balances add up to the receivable, counts to the rows."""
        buckets = [self.sums[at] for at in _BUCKETS]
        current = self.sums[_RECEIVABLE] - sum(buckets) - self.unknown
        balances = [current, *buckets, self.unknown]
        return {
            age: {"balance": _rounded_or_none(balance), "rows": count}
            for age, balance, count in zip(AGES, balances, self.counts, strict=True)
        }


def aggregate_block(block: Matrix, largest: float, rows: NDArray[np.int64] | int) -> Aggregate:
    """The aggregate of a block (amounts x rows), which is used up; NaN is null, nothing is negative or infinite.

    `largest` is the block's maximum (NaN when there are nulls); `rows` are the row numbers, or the first of them.
    """
    if math.isnan(largest):
        return _aggregate_with_nulls(block, rows)
    past_due, counts = _ages(block)
    excess = _excess(past_due, block[_RECEIVABLE], rows)
    return Aggregate(block.shape[1], _NONE, tuple(exact_totals(block, largest)), counts, 0, excess)


def _aggregate_with_nulls(block: Matrix, rows: NDArray[np.int64] | int) -> Aggregate:
    missing = np.isnan(block)
    absent = missing[_RECEIVABLE] | missing[_BUCKETS].any(axis=0)
    block[missing] = 0.0
    past_due, counts = _ages(block)
    past_due[missing[_RECEIVABLE]] = 0.0  # more than what is not known cannot be said
    counts = _with_unknown(counts, block[:, absent])
    excess = _excess(past_due, block[_RECEIVABLE], rows)
    unknown = _owed_beyond_buckets(block[:, absent])
    nulls = tuple(np.count_nonzero(missing, axis=1).tolist())
    return Aggregate(block.shape[1], nulls, tuple(exact_totals(block, float(block.max()))), counts, unknown, excess)


def merged(aggregates: list[Aggregate]) -> Aggregate:
    """All of them as one."""
    return reduce(add, aggregates, Aggregate())


def _ages(block: Matrix) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Each row's balance past due, and the rows by worst bucket, current first, none unknown."""
    width = block.shape[1]
    past_due = block[_BUCKETS[-1]].copy()
    reached = [int(np.count_nonzero(past_due > 0.0))]
    for at in reversed(_BUCKETS[:-1]):
        past_due += block[at]
        reached.append(int(np.count_nonzero(past_due > 0.0)))
    worst_first = [here - before for here, before in zip(reached, [0, *reached[:-1]], strict=True)]
    return past_due, (width - reached[-1], *reversed(worst_first), 0)


def _with_unknown(counts: tuple[int, ...], unknown: Matrix) -> tuple[int, ...]:
    _, theirs = _ages(unknown)
    return (*(here - there for here, there in zip(counts[:-1], theirs[:-1], strict=True)), unknown.shape[1])


def _owed_beyond_buckets(unknown: Matrix) -> int:
    owed = sum(map(fixed, unknown[_RECEIVABLE].tolist()))
    return owed - sum(fixed(amount) for at in _BUCKETS for amount in unknown[at].tolist())


def _excess(past_due: NDArray[np.float64], receivable: NDArray[np.float64], rows: Any) -> Excess | None:
    allowed = receivable * (1.0 + BUCKET_TOLERANCE)
    allowed += BUCKET_TOLERANCE_USD
    above = past_due > allowed
    count = int(np.count_nonzero(above))
    if not count:
        return None
    at = int(np.argmax(above))
    row = rows + at if isinstance(rows, int) else int(rows[at])
    return Excess(count, row, float(past_due[at]), float(receivable[at]))


def _rounded_or_none(total: int) -> float | None:
    try:
        return rounded(total)
    except OverflowError:
        return None
