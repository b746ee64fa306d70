"""Sums that are exactly rounded, so the order of rows, chunks and engine does not matter.

A sum is kept as a whole number of 2**-1074, the smallest step between two floats: each float is such a number, so adding
them loses nothing, and only the end is rounded, once. Vectors get there by error-free extraction (Rump, Ogita, Oishi):
adding and subtracting a power of two cuts each value into a high part, whose plain sum is exact, and a remainder.
"""

import math

import numpy as np
from numpy.typing import NDArray

from kpi import workspace

Column = NDArray[np.float64]
Matrix = NDArray[np.float64]  # columns x rows

STEP_BITS = 1074
ONE = 1 << STEP_BITS
CACHED_ROWS = 8192  # nine columns of it and what is worked out from them fit the second-level cache
_MANTISSA = 53
_LOWEST = -1022  # a splitter of 2**-1022 cuts at 2**-1074: nothing is left below it
_HIGHEST = 1022  # one above could overflow while it is added
_GLANCE = 16  # columns that distinguish most matrices


def fixed(value: float) -> int:
    """A finite float as a whole number of steps."""
    mantissa, exponent = math.frexp(value)
    shift = exponent - _MANTISSA + STEP_BITS
    whole = int(mantissa * 2.0**_MANTISSA)
    return whole << shift if shift >= 0 else whole >> -shift  # what is shifted out of a subnormal is zeros


def rounded(total: int) -> float:
    """The float next to a sum; OverflowError when there is none."""
    return total / ONE


def exact_totals(matrix: Matrix, largest: float) -> list[int]:
    """The exact sum of each row of a finite matrix, which is used up; `largest` bounds all magnitudes in it."""
    totals = [0] * len(matrix)
    if not matrix.size:
        return totals
    if not math.isfinite(largest):
        raise OverflowError("an infinite amount has no place in a sum")
    # 2**room is more than the number of summands, so the high parts of a row add up within the splitter's last place.
    room = (matrix.shape[1] + 2).bit_length()
    exponent = math.frexp(largest)[1] + room
    if exponent > _HIGHEST:
        return [sum(map(fixed, row)) for row in matrix.tolist()]
    high = workspace.matrix("high", *matrix.shape)
    while True:
        splitter = math.ldexp(1.0, max(exponent, _LOWEST))
        np.add(matrix, splitter, out=high)
        np.subtract(high, splitter, out=high)
        for at, part in enumerate(np.add.reduce(high, axis=1).tolist()):
            if part:
                totals[at] += fixed(part)
        if _equal(high, matrix):
            return totals
        np.subtract(matrix, high, out=matrix)
        exponent += room - _MANTISSA  # no remainder is larger than half a unit in the splitter's last place


def _equal(one: Matrix, other: Matrix) -> bool:
    return np.array_equal(one[:, :_GLANCE], other[:, :_GLANCE]) and np.array_equal(one, other)
