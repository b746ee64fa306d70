"""Evaluate every KPI on every date of a tape and judge what came out: ranges, buckets, order of PAR90 and PAR30."""

from dataclasses import dataclass, field
from typing import Any

from kpi.columns import BUCKETS, RECEIVABLE
from kpi.findings import Finding, RefusedTapeError
from kpi.formulas import REGISTRY
from kpi.reading import STRICT, read_tape
from kpi.results import KpiResult, Status
from kpi.rows import Rows
from kpi.tape import Tape
from kpi.tapes.rules import InputRules
from kpi.tapes.stream import Source
from kpi.verdict import Verdict

Results = dict[str, KpiResult]
Ageing = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Evaluation:
    """The KPIs of one tape: of each date, of the latest (`headline`), and what is wrong with them."""

    by_date: dict[str, Results]
    headline: Results
    as_of: str | None
    findings: tuple[Finding, ...]
    ageing: dict[str, Ageing] = field(default_factory=dict)  # by date: balance and rows of each age

    @property
    def verdict(self) -> Verdict:
        """FAIL for any finding; business thresholds take no part in it."""
        return Verdict.FAIL if self.findings else Verdict.PASS

    def as_json(self) -> dict[str, Any]:
        """Headline and dates, with all context."""
        several = self.by_date if len(self.by_date) > 1 else {}
        return {
            "verdict": str(self.verdict),
            "as_of": self.as_of,
            "kpis": {name: result.as_json() for name, result in self.headline.items()},
            "by_date": {day: {name: result.as_json() for name, result in of.items()} for day, of in several.items()},
            "ageing": self.ageing,
            "findings": [finding.as_json() for finding in self.findings],
        }


def evaluate(source: Source | Tape, policy: str = "fail", rules: InputRules = STRICT, name: str = "") -> Evaluation:
    """All KPIs for each measurement date of a tape, a path, bytes, or named columns; the latest date is the headline.

    `policy` says what quarantined rows do: `fail` refuses the tape (RefusedTapeError), `continue` leaves them out. A Tape
    is taken as it is: whoever read it has applied the policy.
    """
    tape = source if isinstance(source, Tape) else read_tape(source, name, rules).apply_policy(policy)
    by_date: dict[str, Results] = {}
    ageing: dict[str, Ageing] = {}
    findings = [*tape.findings]
    headline: Results = {}
    as_of = None
    for rows in tape.by_date():
        headline, as_of = evaluate_rows(rows), rows.as_of
        if as_of is not None:
            by_date[as_of], ageing[as_of] = headline, rows.aggregate.ageing()
        findings += [*_bucket_findings(tape.source, rows), *_result_findings(tape.source, headline)]
    return Evaluation(by_date, headline, as_of, tuple(findings), ageing)


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
            findings.append(Finding(result.cause, where, result.reason, "inspect the tape; no value is published"))
    par30, par90 = results["PAR30"].value, results["PAR90"].value
    if par30 is not None and par90 is not None and par90 > par30:
        found = f"PAR90 {par90!r} is above PAR30 {par30!r}"
        findings.append(Finding("par_order", source, found, "inspect the formulas of this release"))
    return findings


def _bucket_findings(source: str, rows: Rows) -> list[Finding]:
    above = rows.aggregate.excess
    if above is None:
        return []
    total, against = rows.aggregate.total(*BUCKETS), rows.aggregate.total(RECEIVABLE)
    found = (
        f"the ageing buckets add up to more than the receivable in {above.count} of {rows.count} rows of {rows.as_of}, "
        f"first in row {above.row}: {above.buckets:.2f} against {above.receivable:.2f}; "
        f"in total {total:.2f} against {against:.2f}"
    )
    step = "have the sender correct the buckets; PAR of such a tape means nothing"
    return [Finding("buckets_exceed_receivable", source, found, step)]
