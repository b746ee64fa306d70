"""CollectionRate: cash collected as a share of what was eligible for collection."""

from kpi.formulas.base import HIGHER_IS_BETTER, Ratio

KPI = Ratio(
    name="CollectionRate",
    unit="%",
    direction=HIGHER_IS_BETTER,
    valid_range=(0.0, 100.0),
    warn=1.5,
    critical=1.0,
    formula="100 x sum(cash_available) / sum(total_eligible)",
    position=3,
    numerator=("cash_available_usd",),
    denominator="total_eligible_usd",
)
