"""Text to amounts: what is null, what is a number, and why a cell puts its row into quarantine."""

import math
import re
from collections.abc import Sequence

import numpy as np

from kpi.sums import Column

NULL_WORDS = {"", "nan", "null", "na", "none"}
# float() takes more than a tape may say: digits grouped by underscores, words for infinity, surrounding blanks.
_AMOUNT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Fault = tuple[int, str, str]  # position, reason, what stood there


def parse_column(cells: Sequence[str]) -> tuple[Column, list[Fault]]:
    """The column as numbers with NaN for null, and the cells that are no amount."""
    try:
        column = np.array(list(map(float, cells)), dtype=np.float64)
    except ValueError:
        return _parse_carefully(cells)
    if np.isnan(column).any() or any("_" in cell for cell in cells):
        return _parse_carefully(cells)
    return column, faults_of(column)


def faults_of(column: Column) -> list[Fault]:
    """Negative and infinite amounts; null is no fault."""
    wrong = np.flatnonzero((column < 0) | np.isinf(column))
    return [(int(at), _why(float(column[at])), repr(float(column[at]))) for at in wrong]


def _parse_carefully(cells: Sequence[str]) -> tuple[Column, list[Fault]]:
    values = np.full(len(cells), np.nan)
    faults: list[Fault] = []
    for at, cell in enumerate(cells):
        text = cell.strip()
        if text.lower() in NULL_WORDS:
            continue
        if text.lower().lstrip("+-") in ("inf", "infinity"):
            faults.append((at, "infinite_amount", cell))
        elif not _AMOUNT.fullmatch(text):
            faults.append((at, "unparsable_amount", cell))
        else:
            values[at] = float(text)
            if values[at] < 0 or math.isinf(values[at]):
                faults.append((at, _why(values[at]), cell))
    return values, faults


def _why(value: float) -> str:
    return "infinite_amount" if math.isinf(value) else "negative_amount"
