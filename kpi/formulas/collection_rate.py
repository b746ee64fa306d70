"""CollectionRate: cash collected as a share of what was eligible for collection."""

from kpi.formulas.base import HIGHER_IS_BETTER, Case, Ratio
from kpi.results import Status

KPI = Ratio(
    name="CollectionRate",
    unit="%",
    direction=HIGHER_IS_BETTER,
    valid_range=(0.0, 100.0),
    warn=1.5,
    critical=1.0,
    formula="100 x sum(cash_available) / sum(total_eligible)",
    position=3,
    cases=(
        Case({"cash_available_usd": 80.0, "total_eligible_usd": 800.0, "total_receivable_usd": 1000.0}, 10.0),
        Case({"cash_available_usd": 0.0, "total_eligible_usd": 800.0}, 0.0),
        Case({"cash_available_usd": 801.0, "total_eligible_usd": 800.0}, Status.INVALID),
        Case({"cash_available_usd": 80.0}, Status.UNDEFINED),
    ),
    numerator=("cash_available_usd",),
    denominator="total_eligible_usd",
)
