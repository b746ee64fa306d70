"""Exactly rounded sums, against Fraction: any magnitudes, signs, subnormals, and sums beyond the range of floats."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kpi.sums import CACHED_ROWS, Column, exact_totals, rounded

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
