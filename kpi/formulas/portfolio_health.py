"""PortfolioHealth: one score from 0 to 10 out of PAR30 and CollectionRate, from their unrounded values."""

from collections.abc import Mapping
from dataclasses import dataclass

from kpi.formulas.base import HIGHER_IS_BETTER, Case, Kpi
from kpi.results import KpiResult, Status
from kpi.rows import Rows


@dataclass(frozen=True, kw_only=True)
class HealthScore(Kpi):
    """max(0, 10 - PAR30/10) x CollectionRate/10, clamped; the unclamped score is kept, since the clamp hides drift."""

    @property
    def columns(self) -> tuple[str, ...]:
        """None of its own."""
        return ()

    def evaluate(self, rows: Rows, earlier: Mapping[str, KpiResult], /) -> KpiResult:
        """The score, or the state of the input that has no value."""
        inputs = {name: earlier[name].value for name in self.needs}
        par30, collection = (inputs[name] for name in self.needs)
        if par30 is None or collection is None:
            first = next(earlier[name] for name in self.needs if earlier[name].value is None)
            reason = f"{first.name} is {first.status}: {first.reason}"
            return self.without_value(rows, first.status, f"input_{first.status}", reason, inputs=inputs)
        unclamped = max(0.0, 10.0 - par30 / 10.0) * collection / 10.0
        low, high = self.valid_range
        return self.with_value(rows, min(high, max(low, unclamped)), unclamped=unclamped, inputs=inputs)


KPI = HealthScore(
    name="PortfolioHealth",
    unit="score",
    direction=HIGHER_IS_BETTER,
    valid_range=(0.0, 10.0),
    warn=5.0,
    critical=3.0,
    formula="max(0, 10 - PAR30/10) x CollectionRate/10, clamped to 0-10, from unrounded inputs",
    position=4,
    cases=(
        Case(
            {
                "dpd_30_60_usd": 200.0,
                "total_receivable_usd": 1000.0,
                "cash_available_usd": 50.0,
                "total_eligible_usd": 1000.0,
            },
            4.0,
        ),
        Case({"total_receivable_usd": 1000.0, "cash_available_usd": 400.0, "total_eligible_usd": 800.0}, 10.0),
        Case({"total_receivable_usd": 1000.0}, Status.UNDEFINED),
    ),
    needs=("PAR30", "CollectionRate"),
)
