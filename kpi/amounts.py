"""Text to amounts: what is null, what is a number, and why a cell puts its row into quarantine."""

import math
from collections.abc import Sequence

import numpy as np

from kpi.sums import Column
from kpi.tapes.rules import InputRules, rule_for

NULL_WORDS = {"", "nan", "null", "na", "none"}
STRICT = InputRules()

Fault = tuple[int, str, str]  # position, reason, what stood there


def parse_column(cells: Sequence[str], rules: InputRules = STRICT) -> tuple[Column, list[Fault]]:
    """The column as numbers with NaN for null, and the cells that are not amounts."""
    try:
        column = np.array(list(map(float, cells)), dtype=np.float64)
    except ValueError:
        return _parse_carefully(cells, rules)
    # float() takes more than a tape may say: underscores between digits, words, and 1.234 where a point groups digits.
    text = "".join(cells)
    if (
        rules.plain_amounts
        and rules.decimal == "."
        and text.isascii()
        and "_" not in text
        and not np.isnan(column).any()
    ):
        wrong = np.flatnonzero((column < 0) | np.isinf(column)).tolist()
        return column, [(at, why(float(column[at])), cells[at]) for at in wrong]
    return _parse_carefully(cells, rules)


def hint(reason: str, found: str) -> str:
    """What to declare so that a cell would be read; empty when nothing would help."""
    rule = rule_for(found.strip()) if reason == "unparsable_amount" else ""
    return f"{rule} would accept it" if rule else ""


def _parse_carefully(cells: Sequence[str], rules: InputRules) -> tuple[Column, list[Fault]]:
    values = np.full(len(cells), np.nan)
    faults: list[Fault] = []
    for at, cell in enumerate(cells):
        text = cell.strip()
        if text.lower() in NULL_WORDS:
            continue
        plain = rules.plain(text)
        if plain is not None:
            values[at] = float(plain)
            if values[at] < 0 or math.isinf(values[at]):
                faults.append((at, why(values[at]), cell))
        elif text.lower().lstrip("+-") in ("inf", "infinity"):
            faults.append((at, "infinite_amount", cell))
        else:
            faults.append((at, "unparsable_amount", cell))
    return values, faults


def why(value: float) -> str:
    """Why a number is not an amount."""
    return "infinite_amount" if math.isinf(value) else "negative_amount"
