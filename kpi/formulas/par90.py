"""PAR90: the share of the receivable that is 90 days or more past due."""

from kpi.formulas.base import LOWER_IS_BETTER, Case, Ratio
from kpi.results import Status

KPI = Ratio(
    name="PAR90",
    unit="%",
    direction=LOWER_IS_BETTER,
    valid_range=(0.0, 100.0),
    warn=3.0,
    critical=5.0,
    formula="100 x sum(dpd_90_plus) / sum(total_receivable)",
    position=2,
    cases=(
        Case({"dpd_90_plus_usd": 25.0, "total_receivable_usd": 1000.0}, 2.5),
        Case({"dpd_30_60_usd": 100.0, "dpd_60_90_usd": 50.0, "total_receivable_usd": 1000.0}, 0.0),
        Case({}, Status.UNDEFINED),
    ),
    numerator=("dpd_90_plus_usd",),
    denominator="total_receivable_usd",
)
