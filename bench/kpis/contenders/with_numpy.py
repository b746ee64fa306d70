"""numpy's plain sums and null counts, and nothing else: what exact sums and checks are paid beside."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.kpis.totals import AMOUNTS, DAY, LOAN, Totals


def memory(columns: Mapping[str, Any]) -> Callable[[], Totals]:
    """Arrays; null is NaN."""

    def totals() -> Totals:
        nulls = {name: int(np.count_nonzero(np.isnan(columns[name]))) for name in AMOUNTS}
        sums = {name: float(np.nansum(columns[name]) if nulls[name] else np.sum(columns[name])) for name in AMOUNTS}
        repeated = len(columns[LOAN]) - len(np.unique(columns[LOAN])) if LOAN in columns else None
        return Totals.of(len(columns[AMOUNTS[0]]), columns[DAY], nulls, sums, repeated)

    return totals
