"""PAR30: the share of the receivable that is 30 days or more past due."""

from kpi.formulas.base import LOWER_IS_BETTER, Case, Ratio
from kpi.results import Status

KPI = Ratio(
    name="PAR30",
    unit="%",
    direction=LOWER_IS_BETTER,
    valid_range=(0.0, 100.0),
    warn=5.0,
    critical=8.0,
    formula="100 x sum(dpd_30_60 + dpd_60_90 + dpd_90_plus) / sum(total_receivable)",
    position=1,
    cases=(
        Case(
            {"dpd_30_60_usd": 100.0, "dpd_60_90_usd": 50.0, "dpd_90_plus_usd": 25.0, "total_receivable_usd": 1000.0},
            17.5,
        ),
        Case({"dpd_0_7_usd": 400.0, "dpd_7_30_usd": 300.0, "total_receivable_usd": 1000.0}, 0.0),
        Case({"dpd_90_plus_usd": 373.0, "total_receivable_usd": 100.0}, Status.INVALID),
        Case({}, Status.UNDEFINED),
    ),
    numerator=("dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd"),
    denominator="total_receivable_usd",
)
