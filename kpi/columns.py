"""The columns of a loan tape: which must be there, which may, and which names mean that the schema has drifted."""

import re
from collections import Counter
from collections.abc import Sequence

from kpi.findings import Finding

DATE_COLUMN = "measurement_date"
BUCKETS = ("dpd_0_7_usd", "dpd_7_30_usd", "dpd_30_60_usd", "dpd_60_90_usd", "dpd_90_plus_usd")
RECEIVABLE = "total_receivable_usd"
AMOUNTS = (RECEIVABLE, "total_eligible_usd", "discounted_balance_usd", "cash_available_usd", *BUCKETS)
REQUIRED = (DATE_COLUMN, *AMOUNTS)
OPTIONAL = ("loan_id", "period")
_BUCKET_LIKE = re.compile(r"^\s*dpd[_\W]", re.IGNORECASE)


def judge_header(source: str, names: Sequence[str]) -> list[Finding]:
    """Everything that is wrong with the column names, all at once."""
    findings = []
    if names and not any(name in REQUIRED for name in names):
        found = f"the first line has {len(names)} fields and none of the required names: there seems to be no header"
        return [Finding("missing_columns", source, found, "have the tape delivered with a header")]
    missing = [name for name in REQUIRED if name not in names]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    drifted = [name for name in names if name not in REQUIRED and _BUCKET_LIKE.match(name)]
    if missing:
        found = (
            f"missing columns: {', '.join(missing)}; the header has: {', '.join(map(shown_name, names)) or 'nothing'}"
        )
        findings.append(Finding("missing_columns", source, found, "have the tape delivered with all required columns"))
    if doubled:
        found = f"columns that occur more than once: {', '.join(map(shown_name, doubled))}"
        findings.append(Finding("duplicate_columns", source, found, "have the tape delivered with each column once"))
    if drifted:
        found = f"schema drift, unknown ageing columns: {', '.join(map(shown_name, drifted))}"
        step = "balances there would be left out of PAR; agree on the buckets with the sender, then redeliver"
        findings.append(Finding("schema_drift", source, found, step))
    return findings


def extra_columns(names: Sequence[str]) -> list[str]:
    """Columns that are neither required nor optional; carried in the report, never read."""
    return [name for name in names if name not in REQUIRED and name not in OPTIONAL]


def shown_name(name: str) -> str:
    """A column name as it may be published: a header that is really a row of data is hidden."""
    return "(hidden)" if "@" in name or sum(1 for sign in name if sign.isdigit()) >= 8 else name[:64]
