"""Each row's share of a difference between V1 and V2, exactly.

For a ratio R = 100 n/d the difference R1 - R2 is the sum over all rows of 100 (dn - R2/100 dd) / d1, where dn and dd are
what V1 counts more than V2 in that row. The score is a product of two such figures, so each row's share of it follows.
"""

import math
from dataclasses import dataclass, field

from kpi.columns import AMOUNTS
from kpi.formulas import REGISTRY
from kpi.formulas.base import Ratio
from kpi.shadow.rows import Seen

SCORE, SCORE_NEEDS, SCORE_RANGE = "PortfolioHealth", ("PAR30", "CollectionRate"), (0.0, 10.0)
PerKpi = dict[str, float]


@dataclass
class Sums:
    """What both add up by their rules: V1 over all rows, V2 over those of one date that it does not put aside."""

    v1: dict[str, float] = field(default_factory=lambda: dict.fromkeys(AMOUNTS, 0.0))
    by_date: dict[str, dict[str, float]] = field(default_factory=dict)
    rows: int = 0

    def add(self, seen: Seen) -> None:
        """Count one row."""
        self.rows += 1
        add(self.v1, seen.v1)
        if not seen.put_aside:
            add(self.by_date.setdefault(seen.date, dict.fromkeys(AMOUNTS, 0.0)), seen.v2)

    @property
    def headline(self) -> str:
        """The latest date that V2 computes."""
        return max(self.by_date, default="")

    @property
    def v2(self) -> dict[str, float]:
        """V2's sums of that date."""
        return self.by_date.get(self.headline, dict.fromkeys(AMOUNTS, 0.0))


class Shares:
    """Each row's share of each KPI's difference, V1 - V2, before V1 rounds."""

    def __init__(self, sums: Sums) -> None:
        self._ratios = {name: kpi for name, kpi in REGISTRY.items() if isinstance(kpi, Ratio)}
        self.v1 = {name: _ratio(kpi, sums.v1) for name, kpi in self._ratios.items()}
        self.v2 = {name: _ratio(kpi, sums.v2) for name, kpi in self._ratios.items()}
        self._below = {name: sums.v1[kpi.denominator] for name, kpi in self._ratios.items()}
        if all(name in self._ratios for name in SCORE_NEEDS):
            raw1, raw2 = _score(self.v1), _score(self.v2)
            self.v1[SCORE], self.v2[SCORE] = _clamped(raw1), _clamped(raw2)
            # The clamp takes its part of every row's share alike.
            self._kept = _divide(self.v1[SCORE] - self.v2[SCORE], raw1 - raw2)

    @property
    def names(self) -> list[str]:
        """The KPIs that shares can be told of."""
        return list(self.v1)

    def of(self, seen: Seen) -> PerKpi:
        """One row's share of each."""
        shares: PerKpi = {}
        for name, kpi in self._ratios.items():
            above = sum(self._more(seen, column) for column in kpi.numerator)
            below = self._more(seen, kpi.denominator)
            base = 0.0 if math.isnan(self.v2[name]) else self.v2[name]
            shares[name] = _divide(100.0 * above - base * below, self._below[name])
        if SCORE in self.v1:
            shares[SCORE] = self._score_share(*(shares[name] for name in SCORE_NEEDS))
        return shares

    def _score_share(self, par: float, collection: float) -> float:
        """a1 b1 - a2 b2 = (a1 - a2)(b1 + b2)/2 + (b1 - b2)(a1 + a2)/2, for a = 10 - PAR30/10 and b = CollectionRate/10."""
        (par1, rate1), (par2, rate2) = ([side[name] for name in SCORE_NEEDS] for side in (self.v1, self.v2))
        mean_rate, mean_rest = (rate1 + rate2) / 20.0, 10.0 - (par1 + par2) / 20.0
        kept = 0.0 if math.isnan(self._kept) else self._kept
        return kept * (-par / 10.0 * mean_rate + collection / 10.0 * mean_rest)

    @staticmethod
    def _more(seen: Seen, column: str) -> float:
        return seen.v1[column] - (0.0 if seen.put_aside else seen.v2[column])


def add(totals: dict[str, float], more: dict[str, float]) -> None:
    """Add name by name."""
    for name, value in more.items():
        totals[name] += value


def _ratio(kpi: Ratio, sums: dict[str, float]) -> float:
    return _divide(100.0 * sum(sums[column] for column in kpi.numerator), sums[kpi.denominator])


def _score(values: dict[str, float]) -> float:
    par, collection = (values[name] for name in SCORE_NEEDS)
    return (10.0 - par / 10.0) * collection / 10.0


def _clamped(score: float) -> float:
    low, high = SCORE_RANGE
    return score if math.isnan(score) else min(high, max(low, score))


def _divide(above: float, below: float) -> float:
    return above / below if below else math.nan
