"""`shadow`: both versions run on each host's own input, side by side, and their results are compared there. Changes nothing.

A host answers with a judging document: `checks` by name, each with `status`, `words` and `issues`. What is compared is the
role's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cutover.core import causes
from cutover.core.errors import Problem, UsageError
from cutover.core.step import State, Step
from cutover.core.verdict import Verdict
from cutover.inventory.targets import Targets
from cutover.journal.journal import utc_stamp
from cutover.plan.gate import Finding
from cutover.plan.phases import COMMITTING, PREPARING, ROLLBACK
from cutover.plan.roles import NO_RELEASE, ReleaseFacts, RunFacts, contexts, functions_of, steps_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import Fleet, as_problems, reached
from cutover.run.history import known_run
from cutover.run.verify import VALIDATING, Judged, unasked_findings

SHADOW = "shadow"  # the function of the role, and what is told
TITLE = "V1 and V2 on the same input"
SLACK_S = 30.0


def shadow(targets: Targets, *, run: str) -> Judged:
    """Have each host compare, by the release that a run staged there (the newest run, where none is named), else by the one in service."""
    with reached(targets) as (fleet, unreachable):
        staged_by, releases, silent = _releases(fleet, run)
        asked = [name for name in fleet.agents if name not in {problem.host for problem in silent}]
        roles = contexts(targets, RunFacts(SHADOW, utc_stamp()))
        if not functions_of(next(iter(roles.values())).role, VALIDATING, SHADOW):
            found = f"service {targets.service} has no comparison of both releases (`shadow` in its steps.py)"
            raise UsageError(Problem(found, "`./invokew validate` judges the release in service", path="shadow"))
        steps = {
            name: steps_of(replace(roles[name], release=releases.get(name, NO_RELEASE)), VALIDATING, SHADOW)
            for name in asked
        }
        findings, documents = _compare(fleet, steps)
    unasked = [*unreachable, *silent]
    lacking: dict[str, Mapping[str, State]] = {one.host: {} for one in unasked}
    return Judged(TITLE, (*findings, *unasked_findings(SHADOW, unasked)), {**documents, **lacking}, staged_by)


def _releases(fleet: Fleet, run: str) -> tuple[str, dict[str, ReleaseFacts], list[Problem]]:
    """The run that staged a release last, the release that lies on each host since then, and who could not say."""
    staged = [phase.name for phase in (PREPARING[-1], *COMMITTING, ROLLBACK)]
    known, silent = known_run(fleet, run, lambda candidate: candidate.ran(staged))
    if known is None:
        return "", {}, silent
    plan = known.plan.release  # it does not keep what it was built for, and only its name is asked for
    facts = ReleaseFacts(plan.id, plan.sha256, plan.size, python="", machine="")
    return known.run, dict.fromkeys(known.plans, facts), silent


def _compare(fleet: Fleet, steps: Mapping[str, Sequence[Step]]) -> tuple[list[Finding], dict[str, Mapping[str, State]]]:
    findings: list[Finding] = []
    documents: dict[str, Mapping[str, State]] = {}
    deadline = SLACK_S + max(
        (sum(step.args.get("timeout_s", 0.0) for step in one) for one in steps.values()), default=0.0
    )

    def measure(agent: HostAgent) -> list[State]:
        return agent.measure(steps[agent.name], deadline_s=deadline)

    for name, outcome in fleet.each(measure, list(steps), deadline=deadline + SLACK_S).items():
        if outcome.error is not None:
            findings += unasked_findings(SHADOW, as_problems(outcome.error, name))
            documents[name] = {}
            continue
        seen = {one["id"]: one for one in outcome.unwrap()}
        found = {step.id: _document(seen.get(step.id)) for step in steps[name]}
        documents[name] = {step: document for step, document in found.items() if document is not None}
        for step in steps[name]:
            findings += _judge(name, step, seen.get(step.id), found[step.id])
    return findings, documents


def _document(outcome: State | None) -> State | None:
    """The judging document of an outcome; None where there is none."""
    document = outcome["after"].get("document") if outcome else None
    return document if isinstance(document, dict) and isinstance(document.get("checks"), dict) else None


def _judge(host: str, step: Step, outcome: State | None, document: State | None) -> list[Finding]:
    """One finding for each issue that the host names, and one for each check that has none."""
    if document is None:
        return [Finding(host, f"{SHADOW}.comparison", Verdict.ERROR, f"not compared: {_why(outcome)}", step.next)]
    return [finding for name, check in document["checks"].items() for finding in _of_check(host, name, check)]


def _of_check(host: str, name: str, check: Mapping[str, Any]) -> list[Finding]:
    where = f"{SHADOW}.{name}"
    issues = [Finding(host, where, one.verdict, one.found, one.next) for one in causes.listed(check.get("issues"))]
    return issues or [Finding(host, where, Verdict(check["status"]), check["words"])]


def _why(outcome: State | None) -> str:
    """What kept a host from giving a document: what it said instead."""
    if outcome is None:
        return "it was not run"
    said = causes.in_words(causes.of_outcome(outcome))
    return said or "; ".join(filter(None, [outcome.get("error"), *outcome.get("differences", [])])) or "it said nothing"
