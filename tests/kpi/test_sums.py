"""Exactly rounded sums, against Fraction: any magnitudes, signs, subnormals, and sums beyond the range of floats."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kpi.columns import AMOUNTS
from kpi.engine import evaluate
from kpi.reading import read_tape
from kpi.sums import CACHED_ROWS, Column, exact_totals, rounded
from kpi.tapes.batch import BLOCK_ROWS

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def _by_fractions(values: list[float]) -> float | None:
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return None


def _exact_sum(column: Column) -> float:
    """As the aggregate adds a column up: block by block, rounded once."""
    total = 0
    for start in range(0, len(column), CACHED_ROWS):
        block = column[np.newaxis, start : start + CACHED_ROWS].copy()
        total += exact_totals(block, float(np.abs(block).max()))[0]
    return rounded(total)


def _by_us(values: list[float]) -> float | None:
    try:
        return _exact_sum(np.array(values))
    except OverflowError:
        return None


@given(st.lists(FINITE, max_size=50))
@example([5e-324, -5e-324, 5e-324])
@example([1e308, 1e308, -1e308])
@example([1e308] * 3)
@example([1.7e308, 5e-324, -1.7e308])
@example([-0.0])
@example([2.0**53, 1.0, 2.0**-1074])
def test_a_sum_is_the_fraction_rounded_once(values: list[float]) -> None:
    assert _by_us(values) == _by_fractions(values)


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(0, 40)), elements=FINITE))
def test_each_row_of_a_matrix_has_its_own_sum(matrix: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> None:
    expected = [sum((Fraction(value) for value in row), Fraction()) for row in matrix.tolist()]
    largest = float(np.abs(matrix).max(initial=0.0))
    assert [Fraction(total, 1 << 1074) for total in exact_totals(matrix.copy(), largest)] == expected


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 60))
@settings(max_examples=10)  # each adds up some ten thousand fractions
def test_long_columns_of_all_magnitudes(seed: int, spread: float) -> None:
    dice = np.random.RandomState(seed)
    column = dice.lognormal(0, spread, CACHED_ROWS + 100) * dice.choice([-1.0, 1.0], CACHED_ROWS + 100)
    assert _exact_sum(column) == _by_fractions(column.tolist())
    assert _exact_sum(column[::-1]) == _exact_sum(np.roll(column, 7)) == _exact_sum(column)


def test_an_infinite_amount_has_no_sum() -> None:
    with pytest.raises(OverflowError):
        _exact_sum(np.array([1.0, np.inf]))


# What the aggregate makes of them: the ageing table, and the excess of buckets.


def _rows(*changes: dict[str, float]) -> dict[str, object]:
    columns: dict[str, Column] = {
        name: np.array([change.get(name, 100.0 if name == "total_receivable_usd" else 0.0) for change in changes])
        for name in AMOUNTS
    }
    return {"measurement_date": "2025-12-26", **columns}


def test_each_row_counts_in_its_worst_bucket() -> None:
    tape = _rows(
        {},
        {"dpd_0_7_usd": 10.0},
        {"dpd_0_7_usd": 10.0, "dpd_30_60_usd": 1.0},
        {"dpd_90_plus_usd": 100.0},
        {"dpd_60_90_usd": np.nan, "dpd_7_30_usd": 5.0},
        {"total_receivable_usd": np.nan, "dpd_7_30_usd": 5.0},
    )
    ageing = evaluate(tape).ageing["2025-12-26"]
    assert {age: (entry["rows"], entry["balance"]) for age, entry in ageing.items()} == {
        "current": (1, 279.0), "0-7": (1, 20.0), "7-30": (0, 10.0), "30-60": (1, 1.0), "60-90": (0, 0.0), "90+": (1, 100.0),
        "unknown": (2, 90.0),
    }  # fmt: skip


def test_the_first_row_with_too_large_buckets_is_named_wherever_it_is() -> None:
    changes: list[dict[str, float]] = [{} for _ in range(BLOCK_ROWS + 50)]
    changes[BLOCK_ROWS + 10] = changes[BLOCK_ROWS + 20] = {"dpd_0_7_usd": 101.0}
    tape = read_tape(_rows(*changes))
    excess = tape.aggregates["2025-12-26"].excess
    assert excess is not None
    assert (excess.count, excess.row, excess.buckets, excess.receivable) == (2, BLOCK_ROWS + 11, 101.0, 100.0)
    found = evaluate(tape).findings[0].found
    assert f"2 of {BLOCK_ROWS + 50} rows of 2025-12-26, first in row {BLOCK_ROWS + 11}" in found


def test_buckets_are_not_compared_with_a_receivable_that_is_null() -> None:
    tape = read_tape(_rows({"total_receivable_usd": np.nan, "dpd_0_7_usd": 1.0}, {}))
    assert tape.aggregates["2025-12-26"].excess is None
