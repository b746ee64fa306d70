"""One check: what it judged, on what values, against which thresholds, and the verdict that follows from that."""

import math
from dataclasses import dataclass, field
from typing import Any

from kpi.findings import Finding
from kpi.verdict import Verdict, worst

LISTED = 10


@dataclass
class Check:
    """Collects judgements; without a single one it is INCONCLUSIVE, so a check that ran on nothing never passes."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, Any] = field(default_factory=dict)
    n: int = 0  # on how many observed things the check rests
    verdicts: list[Verdict] = field(default_factory=list)
    issues: list[tuple[Verdict, Finding]] = field(default_factory=list)

    def judge(self, good: bool, otherwise: Verdict, code: str, found: str, step: str) -> None:
        """PASS when good, else the other verdict with an issue that says what was found and what to do."""
        if good:
            self.verdicts.append(Verdict.PASS)
        else:
            self.blame(otherwise, code, found, step)

    def blame(self, verdict: Verdict, code: str, found: str, step: str) -> None:
        """Note something that is not as it should be."""
        self.verdicts.append(verdict)
        self.issues.append((verdict, Finding(code, self.name, found, step)))

    def judge_none(self, verdict: Verdict, code: str, words: str, listed: list[str], step: str) -> None:
        """PASS when the list is empty, else one issue that shows its first entries."""
        shown = "; ".join(listed[:LISTED]) + (f"; and {len(listed) - LISTED} more" if len(listed) > LISTED else "")
        self.judge(not listed, verdict, code, f"{len(listed)} {words}: {shown}", step)

    def judge_limits(
        self, signal: str, value: float, limits: dict[str, float], *, above: bool = True, also: str = ""
    ) -> None:
        """Judge a value by its row of the threshold table: warn, critical, rollback. `also` is added to the finding where it is passed."""
        self.thresholds[signal] = limits
        if not math.isfinite(value) or not limits:
            self.values[signal] = None
            found = f"{signal} is {value}, its limits are {limits or 'none'}: nothing can be compared"
            self.blame(Verdict.INCONCLUSIVE, f"{signal}_unknown", found, "see what measures it, and the thresholds")
            return
        self.values[signal] = value
        verdicts = {"warn": Verdict.WARN, "critical": Verdict.FAIL, "rollback": Verdict.FAIL}
        passed = [level for level, limit in limits.items() if (value > limit if above else value < limit)]
        if not passed:
            self.verdicts.append(Verdict.PASS)
            return
        level = passed[-1]
        sign = ">" if above else "<"
        self.blame(
            worst(verdicts[one] for one in passed),
            f"{signal}_{level}",
            f"{signal} is {value:g}, {sign} {limits[level]:g} ({level}){also}",
            "see the runbook under this signal; compare with the load of the host",
        )

    @property
    def status(self) -> Verdict:
        """The worst judgement."""
        return worst(self.verdicts)

    def as_json(self) -> dict[str, Any]:
        """One entry of `checks` in the report."""
        issues = [finding.as_issue(verdict) for verdict, finding in self.issues]
        return {
            "status": str(self.status),
            "n": self.n,
            "values": self.values,
            "thresholds": self.thresholds,
            "issues": issues,
        }
