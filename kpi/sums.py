"""Sums that are exactly rounded, so the order of rows, chunks and engine does not matter."""

import math
from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


def exact_sum(columns: Iterable[Column]) -> float:
    """The exactly rounded sum of all values that are not null (NaN), over several columns as one sum."""
    return math.fsum(chain.from_iterable(_present(column).tolist() for column in columns))


def null_count(column: Column) -> int:
    """How many values of the column are null."""
    return int(np.count_nonzero(np.isnan(column)))


def _present(column: Column) -> Column:
    missing = np.isnan(column)
    return column[~missing] if missing.any() else column
