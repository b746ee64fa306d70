"""A gate after each phase: from what was seen it decides whether the run goes on. It only decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field, ValidationError

from cutover.core.errors import Problem
from cutover.core.step import Step
from cutover.core.verdict import Verdict, worst
from cutover.plan.phases import READS_FACTS, Phase
from cutover.plan.plan import Plan

CAUSES_SHOWN = 5  # the rest is in the document, which the report shows
LAST_OUTPUT = 500  # characters of a program's output that are shown where it printed no document


@dataclass(frozen=True)
class Finding:
    """One thing that was judged: a step's state after its change, or a check. `message` shows value, threshold, n and window."""

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
        return {**vars(self), "verdict": str(self.verdict)}


@dataclass(frozen=True)
class Answer:
    """The answer of a gate: the verdict, and everything that was found."""

    phase: Phase
    verdict: Verdict
    judged: int
    findings: tuple[Finding, ...]

    @property
    def opens(self) -> bool:
        """Whether nothing is worse than a warning."""
        return self.verdict.lets_pass

    @property
    def problems(self) -> list[Problem]:
        """What keeps the gate shut."""
        return [finding.problem() for finding in self.findings if not finding.verdict.lets_pass]


def decide(phase: Phase, findings: Sequence[Finding], expected_hosts: Sequence[str]) -> Answer:
    """Open when every expected host was judged and nothing is worse than WARN.

    A host without findings is INCONCLUSIVE, and so shut: before phase 3 nothing is lost by stopping, and from there on
    waiting would be an outage.
    """
    unjudged = ("nothing was judged on this host", "see the log; run the phase again")
    silent = [
        Finding(host, phase.name, Verdict.INCONCLUSIVE, *unjudged)
        for host in expected_hosts
        if not any(finding.host == host for finding in findings)
    ]
    everything = (*findings, *silent)
    return Answer(phase, worst(finding.verdict for finding in everything), len(findings), everything)


def judge_outcomes(host: str, steps: Sequence[Step], outcomes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """One finding a step: PASS where the state after it is the desired one; what never ran is INCONCLUSIVE."""
    seen = {outcome["id"]: outcome for outcome in outcomes}
    return [_judge(host, step, seen.get(step.id)) for step in steps]


def _judge(host: str, step: Step, outcome: Mapping[str, Any] | None) -> Finding:
    if outcome is None:
        return Finding(host, step.id, Verdict.INCONCLUSIVE, f"{step.words}: not run", step.next)
    if outcome["ok"]:
        return Finding(host, step.id, Verdict.PASS, step.words, seconds=outcome["seconds"])
    if outcome.get("left"):  # nothing is as planned there, and nothing is to be done: a person has to know it
        why = f"{step.words}: left unchanged, because {outcome['error']}"
        return Finding(host, step.id, Verdict.WARN, why, step.next, outcome["seconds"])
    causes = causes_of(outcome)
    found = differences_of(step, outcome.get("differences", []))
    why = "; ".join(filter(None, [outcome["error"], joined_causes(causes), *found]))
    next_ = "; ".join(dict.fromkeys(filter(None, [*(cause.next for cause in causes[:CAUSES_SHOWN]), step.next])))
    return Finding(host, step.id, Verdict(step.severity), f"{step.words}: {why}", next_, outcome["seconds"])


def differences_of(step: Step, differences: Sequence[str]) -> list[str]:
    """What differs, as the host reports it; without the key where the step has only one, which its words name already."""
    only = next(iter(step.desired)) if len(step.desired) == 1 else None
    return [line.removeprefix(f"{only}: ") if only else line for line in differences]


def said_no(plan: Plan) -> list[Problem]:
    """What would keep the gate of phase 0 shut. A warning lets the run pass."""
    problems = []
    for host in plan.hosts.values():
        found = {change.step: change.differences for change in host.changes}
        for step in host.of(READS_FACTS):
            if step.probe and step.severity == "FAIL" and found.get(step.id):
                what = f"{step.words}: {'; '.join(differences_of(step, found[step.id]))}"
                problems.append(Problem(what, step.next or "see the plan", host.name, step.id))
    return problems


# Causes: what a program that a host ran reports as wrong, so that a problem names it and not only the key that differs.
# A judging document has `status` and `checks` by name; it and its checks have `issues`: a list of {"where", "found", "next", "verdict"},
# of which only `found` must be there.


class _Check(BaseModel):
    status: Verdict
    n: Annotated[int, Field(strict=True, ge=0)] = 0
    issues: Annotated[list[dict[str, Any]], Field(fail_fast=True)] = []
    words: str = ""


class _Judging(BaseModel):
    status: Verdict
    checks: dict[str, _Check]
    issues: Annotated[list[dict[str, Any]], Field(fail_fast=True)] = []
    timestamp: str | None = None


def judging_document(value: object) -> dict[str, Any] | None:
    """A judging document as a host's program gave it; None where it is not one."""
    try:
        _Judging.model_validate(value)
    except ValidationError:
        return None
    return cast("dict[str, Any]", value)


@dataclass(frozen=True)
class Cause:
    """One thing that was wrong, what to do next (empty where the program does not name it), and how grave it is."""

    found: str
    next: str = ""
    verdict: Verdict = Verdict.FAIL


def causes_in(issues: Any) -> tuple[Cause, ...]:
    """The causes in a list of issues, the gravest first; anything else in it is ignored."""
    entries = issues if isinstance(issues, list) else []
    read = [_cause(one) for one in entries if isinstance(one, Mapping) and one.get("found")]
    return tuple(sorted(read, key=lambda cause: -cause.verdict.severity))


def causes_of(outcome: Mapping[str, Any]) -> tuple[Cause, ...]:
    """The causes that the program of a step names; for want of a document its last output, or how it ended."""
    after = outcome.get("after") or {}
    document = after.get("document")
    if isinstance(document, Mapping):
        return causes_in(document.get("issues"))
    if not after.get("ran"):
        return ()
    output = str(after.get("stderr") or after.get("output") or "").strip()[-LAST_OUTPUT:].strip()
    end = after.get("end", "exited")
    ended = f"exit status {after.get('exit_code')}" if end == "exited" else str(end)
    return (Cause(f"printed no document, {ended}{': ' + output if output else ''}"),)


def joined_causes(causes: Sequence[Cause]) -> str:
    """The gravest of them in one line, and how many there are besides."""
    shown = "; ".join(dict.fromkeys(cause.found for cause in causes[:CAUSES_SHOWN]))
    return shown + (f"; and {len(causes) - CAUSES_SHOWN} more in the report" if len(causes) > CAUSES_SHOWN else "")


def _cause(issue: Mapping[str, Any]) -> Cause:
    verdict = issue.get("verdict")
    known = Verdict(verdict) if verdict in list(Verdict) else Verdict.FAIL
    found = ": ".join(str(part) for part in (issue.get("where"), issue["found"]) if part)
    return Cause(found, str(issue.get("next") or ""), known)
