"""Which rows explain a difference: worst first, with their reasons and shares; and what no row explains."""

import csv
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.personal import shown, why_values
from kpi.shadow.rows import WHY, Seen, see_rows
from kpi.shadow.shares import PerKpi, Shares, Sums, add
from kpi.tapes.rules import InputRules

NO_ROW = "no row is treated differently: a difference comes from the formulas or the figures themselves"


def explain(tape: Path, kpis: dict[str, dict[str, Any]], most: int, rules: InputRules) -> dict[str, Any]:
    """The rows that V1 and V2 treat differently, with their shares of each KPI's difference."""
    sums = Sums()
    try:
        for seen in see_rows(tape, rules):
            sums.add(seen)
    except (UnicodeDecodeError, csv.Error) as error:
        return {"rows": [], "reasons": {}, "n": 0, "words": f"not readable row by row: {error}", "kpis": {}}
    shares = Shares(sums)
    by_reason: dict[str, PerKpi] = defaultdict(lambda: defaultdict(float))
    counts: Counter[str] = Counter()
    total: PerKpi = defaultdict(float)

    def different() -> Iterator[tuple[float, int, Seen, PerKpi]]:
        for seen in see_rows(tape, rules):
            if not seen.put_aside and seen.date != sums.headline:
                seen.why.append("other_date")
                seen.put_aside = True
            if not seen.why:
                continue
            share = shares.of(seen)
            counts[seen.why[0]] += 1
            add(by_reason[seen.why[0]], share)
            add(total, share)
            yield _weight(seen, share), -seen.row, seen, share

    worst = heapq.nlargest(most, different(), key=lambda one: one[:2])
    return {
        "n": counts.total(),
        "rows": [_row(seen, share) for _, _, seen, share in worst],
        "reasons": {
            why: {"rows": counts[why], "words": WHY[why], "shares": _finite(by_reason[why])}
            for why, _ in counts.most_common()
        },
        "kpis": {name: _unexplained(kpis[name], shares, name, total[name]) for name in shares.names if name in kpis},
        "words": f"{counts.total()} of {sums.rows} rows are treated differently" if counts else NO_ROW,
    }


def _unexplained(kpi: dict[str, Any], shares: Shares, name: str, total: float) -> dict[str, Any]:
    """How much of the difference the rows explain; the rest is the formula's, a clamp's, or V1's rounding."""
    ours = kpi["v2"] if kpi["v2"] is not None else shares.v2[name]
    if kpi["v1"] is None or not math.isfinite(ours) or not math.isfinite(total):
        return {"difference": None, "explained": _number(total), "unexplained": None}
    difference = kpi["v1"] - ours
    unexplained = difference - total
    rounding = 0.5 * 10.0 ** -kpi["v1_decimals"] if kpi["v1_decimals"] is not None else 0.0
    if abs(unexplained) <= rounding + 1e-9 * max(abs(kpi["v1"]), abs(ours)):
        unexplained = 0.0
    return {"difference": difference, "explained": total, "unexplained": unexplained}


def _row(seen: Seen, share: PerKpi) -> dict[str, Any]:
    return {
        "row": seen.row,
        # A loan's number is about a loan; one that is somebody's own number is not told.
        "loan_id": shown(seen.loan_id, personal=True) if why_values("loan_id", [seen.loan_id]) else seen.loan_id,
        "date": seen.date,
        "why": {why: WHY[why] for why in seen.why},
        "cells": {
            column: {"found": _found(column, cell), "v1": _number(seen.v1.get(column)), "v2": _v2(seen, column)}
            for column, cell in seen.cells.items()
        },
        "put_aside_by_v2": seen.put_aside,
        "shares": _finite(share),
    }


def _found(column: str, cell: str) -> str:
    """What stood there, by the policy for personal data; what the loan is called or is said of a whole row stays."""
    return shown(cell)[:80] if column in (*AMOUNTS, DATE_COLUMN) else cell[:80]


def _v2(seen: Seen, column: str) -> float | None:
    return None if seen.put_aside or "null_amount" in seen.why else _number(seen.v2.get(column))


def _weight(seen: Seen, share: PerKpi) -> float:
    """What puts a row first: its largest share; what cannot be counted comes before all that can."""
    largest = max((abs(one) for one in share.values()), default=0.0)
    if not math.isfinite(largest) or any(not math.isfinite(one) for one in seen.v1.values()):
        return math.inf
    return largest


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _finite(shares: PerKpi) -> dict[str, float | None]:
    return {name: _number(value) for name, value in shares.items()}
