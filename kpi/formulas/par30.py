"""PAR30: the share of the receivable that is 30 days or more past due."""

from kpi.formulas.base import LOWER_IS_BETTER, Ratio

KPI = Ratio(
    name="PAR30",
    unit="%",
    direction=LOWER_IS_BETTER,
    valid_range=(0.0, 100.0),
    warn=5.0,
    critical=8.0,
    formula="100 x sum(dpd_30_60 + dpd_60_90 + dpd_90_plus) / sum(total_receivable)",
    position=1,
    numerator=("dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd"),
    denominator="total_receivable_usd",
)
