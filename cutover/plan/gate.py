"""A gate after each phase: from what was seen it decides whether the run goes on. It only decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover.core import causes
from cutover.core.errors import Problem
from cutover.core.step import Step
from cutover.core.verdict import Verdict, worst
from cutover.plan.phases import READS_FACTS, Phase
from cutover.plan.plan import Plan


@dataclass(frozen=True)
class Finding:
    """One thing that was judged: a step's second look, or a check. `message` shows value, threshold, n and window."""

    host: str
    name: str
    verdict: Verdict
    message: str
    next: str = ""
    seconds: float = 0.0

    def problem(self) -> Problem:
        """The finding as a problem to show."""
        return Problem(host=self.host, path=self.name, found=self.message, next=self.next or "see the report")

    def as_json(self) -> dict[str, Any]:
        """The finding as the journal keeps it."""
        return {
            "host": self.host,
            "name": self.name,
            "verdict": str(self.verdict),
            "message": self.message,
            "next": self.next,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Answer:
    """What a gate says: whether it opens, the verdict, and everything that was not PASS."""

    phase: Phase
    verdict: Verdict
    opens: bool
    judged: int
    findings: tuple[Finding, ...] = field(default=())

    @property
    def problems(self) -> list[Problem]:
        """What keeps the gate shut."""
        return [finding.problem() for finding in self.findings if not finding.verdict.lets_pass]


def decide(phase: Phase, findings: Sequence[Finding], expected_hosts: Sequence[str]) -> Answer:
    """Open when every expected host was judged and nothing is worse than WARN.

    A host without findings is INCONCLUSIVE, and so shut: before phase 3 nothing is lost by stopping, and from there on
    waiting would be an outage.
    """
    silent = [
        Finding(
            host,
            phase.name,
            Verdict.INCONCLUSIVE,
            "nothing was judged on this host",
            "see the log; run the phase again",
        )
        for host in expected_hosts
        if not any(finding.host == host for finding in findings)
    ]
    everything = (*findings, *silent)
    verdict = worst(finding.verdict for finding in everything)
    noteworthy = tuple(finding for finding in everything if finding.verdict is not Verdict.PASS)
    return Answer(phase, verdict, verdict.lets_pass, len(findings), noteworthy)


def judge_outcomes(host: str, steps: Sequence[Step], outcomes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """One finding a step: PASS where its second look shows what was desired; what never ran is INCONCLUSIVE."""
    seen = {outcome["id"]: outcome for outcome in outcomes}
    return [_judge(host, step, seen.get(step.id)) for step in steps]


def _judge(host: str, step: Step, outcome: Mapping[str, Any] | None) -> Finding:
    if outcome is None:
        return Finding(host, step.id, Verdict.INCONCLUSIVE, f"not run: {step.words}", step.next)
    if outcome["ok"]:
        return Finding(host, step.id, Verdict.PASS, step.words, seconds=outcome["seconds"])
    if outcome.get("left"):  # nothing is as planned there, and nothing is to be done: a person has to know it
        why = f"{step.words}: left as it is, because {outcome['error']}"
        return Finding(host, step.id, Verdict.WARN, why, step.next, outcome["seconds"])
    named = causes.of_outcome(outcome)
    why = "; ".join(filter(None, [outcome["error"], causes.in_words(named), *outcome.get("differences", [])]))
    next_ = causes.steps_next(named, step.next)
    return Finding(host, step.id, Verdict(step.severity), f"{step.words}: {why}", next_, outcome["seconds"])


def said_no(plan: Plan) -> list[Problem]:
    """What phase 0 would say no to, as its gate would tell it. A warning lets the run pass."""
    return [
        Problem(f"{step.words}: {'; '.join(found)}", step.next or "see the plan", host=host.name, path=step.id)
        for host in plan.hosts.values()
        for step in host.of(READS_FACTS)
        if step.probe and step.severity == "FAIL"
        for found in [next((change.differences for change in host.changes if change.step == step.id), ())]
        if found
    ]
