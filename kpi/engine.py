"""Evaluate every KPI on every date of a tape and judge what came out: ranges, buckets, order of PAR90 and PAR30."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kpi.columns import BUCKETS, RECEIVABLE
from kpi.findings import Finding, RefusedTapeError
from kpi.formulas import REGISTRY
from kpi.results import KpiResult, Status
from kpi.rows import Rows
from kpi.sums import exact_sum
from kpi.tape import Tape
from kpi.verdict import Verdict

# Half a cent a row: amounts are USD with cents, buckets and receivable are rounded apart from each other.
BUCKET_TOLERANCE_USD = 0.005
Results = dict[str, KpiResult]


@dataclass(frozen=True)
class Evaluation:
    """The KPIs of one tape: of each date, of the latest (`headline`), and what is wrong with them."""

    by_date: dict[str, Results]
    headline: Results
    as_of: str | None
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """FAIL for any finding; business thresholds take no part in it."""
        return Verdict.FAIL if self.findings else Verdict.PASS

    def as_json(self) -> dict[str, Any]:
        """Headline and dates, with all context."""
        dates = {date: {name: result.as_json() for name, result in of.items()} for date, of in self.by_date.items()}
        return {
            "verdict": str(self.verdict),
            "as_of": self.as_of,
            "kpis": {name: result.as_json() for name, result in self.headline.items()},
            "by_date": dates if len(dates) > 1 else {},
            "findings": [finding.as_json() for finding in self.findings],
        }


def evaluate(tape: Tape) -> Evaluation:
    """All KPIs of this tape, for each measurement date; the latest is the headline."""
    by_date: dict[str, Results] = {}
    findings: list[Finding] = []
    headline: Results = {}
    as_of = None
    for rows in tape.by_date():
        headline, as_of = evaluate_rows(rows), rows.as_of
        if as_of is not None:
            by_date[as_of] = headline
        findings += [*_bucket_findings(tape.source, rows), *_result_findings(tape.source, headline)]
    return Evaluation(by_date, headline, as_of, tuple(findings))


def evaluate_rows(rows: Rows) -> Results:
    """Each declared KPI on these rows."""
    results: Results = {}
    for name, kpi in REGISTRY.items():
        results[name] = kpi.evaluate(rows, results)
    return results


def refused(error: RefusedTapeError) -> Evaluation:
    """The evaluation of a tape that could not be read: every KPI is a named state, none is a number."""
    empty = all(finding.code == "empty_tape" for finding in error.findings)
    status = Status.NO_DATA if empty else Status.INVALID
    reason = "; ".join(finding.found for finding in error.findings)
    cause = error.findings[0].code
    headline = {name: kpi.without_value(None, status, cause, reason) for name, kpi in REGISTRY.items()}
    return Evaluation({}, headline, None, error.findings)


def _result_findings(source: str, results: Results) -> list[Finding]:
    findings = []
    for result in results.values():
        if result.status is not Status.OK and not result.cause.startswith("input_"):
            where = f"{source}, {result.as_of}, {result.name}" if result.as_of else f"{source}, {result.name}"
            findings.append(Finding(result.cause, where, result.reason, "look at the tape; no value is published"))
    par30, par90 = results["PAR30"].value, results["PAR90"].value
    if par30 is not None and par90 is not None and par90 > par30:
        found = f"PAR90 {par90!r} is above PAR30 {par30!r}"
        findings.append(Finding("par_order", source, found, "look at the formulas of this release"))
    return findings


def _bucket_findings(source: str, rows: Rows) -> list[Finding]:
    if rows.count == 0:
        return []
    buckets = sum((np.nan_to_num(rows.columns[name]) for name in BUCKETS), np.zeros(rows.count))
    receivable = rows.columns[RECEIVABLE]
    above = np.flatnonzero(buckets > receivable + BUCKET_TOLERANCE_USD + 1e-9 * np.abs(receivable))
    if not len(above):
        return []
    total, against = exact_sum(rows.columns[name] for name in BUCKETS), exact_sum([receivable])
    first = int(above[0])
    found = (
        f"the ageing buckets add up to more than the receivable in {len(above)} of {rows.count} rows of {rows.as_of}, "
        f"first {buckets[first]:.2f} against {receivable[first]:.2f}; in total {total:.2f} against {against:.2f}"
    )
    step = "have the sender correct the buckets; PAR of such a tape means nothing"
    return [Finding("buckets_exceed_receivable", source, found, step)]
