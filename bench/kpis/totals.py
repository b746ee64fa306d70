"""What every contender must come to for a tape, and the comparison of it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

RECEIVABLE, ELIGIBLE, CASH = "total_receivable_usd", "total_eligible_usd", "cash_available_usd"
BUCKETS = ("dpd_0_7_usd", "dpd_7_30_usd", "dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd")
AMOUNTS = (RECEIVABLE, ELIGIBLE, "discounted_balance_usd", CASH, *BUCKETS)
DAY, LOAN = "measurement_date", "loan_id"
CLOSE = 1e-9


@dataclass(frozen=True)
class Totals:
    """Rows, date, nulls and sums by column, KPIs, balances by age; rows that repeat a loan where that was asked for."""

    rows: int
    as_of: str
    nulls: Mapping[str, int]
    sums: Mapping[str, float]
    kpis: Mapping[str, float]
    ageing: Mapping[str, float]
    repeated: int | None

    @classmethod
    def of(
        cls, rows: int, as_of: str, nulls: Mapping[str, int], sums: Mapping[str, float], repeated: int | None = None
    ) -> "Totals":
        """From the sums, as one writes it by hand."""
        par30 = 100 * sum(sums[name] for name in BUCKETS[2:]) / sums[RECEIVABLE]
        rate = 100 * sums[CASH] / sums[ELIGIBLE]
        kpis = {
            "PAR30": par30,
            "PAR90": 100 * sums[BUCKETS[-1]] / sums[RECEIVABLE],
            "CollectionRate": rate,
            "PortfolioHealth": min(10.0, max(0.0, (10 - par30 / 10) * rate / 10)),
        }
        ageing = {"current": sums[RECEIVABLE] - sum(sums[name] for name in BUCKETS)}
        ageing |= {name: sums[name] for name in BUCKETS}
        return cls(rows, as_of, dict(nulls), dict(sums), kpis, ageing, repeated)

    def as_json(self) -> dict[str, Any]:
        """For the way between processes; floats keep all their digits."""
        return asdict(self)


def differences(expected: Mapping[str, Any], found: Mapping[str, Any], *, exact: bool) -> list[str]:
    """Where two totals are not the same: numbers to 1e-9, or with `exact` to the last digit."""
    different = []
    for name, value in expected.items():
        theirs = found[name]
        if isinstance(value, Mapping):
            different += [f"{name}.{one}" for one in differences(value, theirs, exact=exact)]
        elif isinstance(value, float) and not exact:
            if not math.isclose(value, theirs, rel_tol=CLOSE):
                different.append(f"{name}: {theirs!r} instead of {value!r}")
        elif value != theirs:
            different.append(f"{name}: {theirs!r} instead of {value!r}")
    return different
