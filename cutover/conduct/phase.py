"""One phase on some hosts: the work on all of them at once, then the checks, then the gate."""

from collections.abc import Sequence

from cutover.conduct.checking.session import check_hosts
from cutover.conduct.fleet import as_problems
from cutover.conduct.session import Session
from cutover.conduct.work import work_on
from cutover.decide.gate import Answer, Finding, decide
from cutover.decide.phases import ROLLBACK, Phase
from cutover.words.verdict import Verdict
from cutover.world.agent import HostAgent

SLACK_S = 30.0  # beyond the deadline of the remote work itself: what comes after it must not be cut off


def run_phase(session: Session, phase: Phase, hosts: Sequence[str]) -> Answer:
    """Carry a phase out on hosts and let the gate decide. Checks run only where the steps themselves held."""
    session.tell("phase.started", phase=phase.name, title=phase.title, hosts=list(hosts))
    findings = _work_everywhere(session, phase, hosts)
    sound = [name for name in hosts if all(finding.verdict.lets_pass for finding in findings if finding.host == name)]
    if sound:
        findings += _checked(session, phase, sound)
    return _gate(session, phase, hosts, findings)


def recheck(session: Session, phase: Phase, hosts: Sequence[str] | None = None) -> Answer:
    """Only the checks of a phase that was done before: is everything still as it left it?"""
    hosts = session.hosts if hosts is None else hosts
    session.tell("phase.started", phase=phase.name, title=f"{phase.title} (still so?)", hosts=list(hosts))
    return _gate(session, phase, hosts, _checked(session, phase, hosts))


def _work_everywhere(session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """The steps of the phase on all hosts at once."""
    deadline = session.times.rollback_budget if phase is ROLLBACK else session.times.phase

    def work(agent: HostAgent) -> list[Finding]:
        return work_on(session, phase, agent, session.plans[agent.name].of(phase), deadline_s=deadline)

    findings: list[Finding] = []
    for name, outcome in session.fleet.each(work, hosts, deadline=deadline + SLACK_S).items():
        if outcome.error is None:
            findings += outcome.unwrap()
            continue
        problem = as_problems(outcome.error, name)[0]
        session.tell("failed", host=name, phase=phase.name, found=problem.found, next=problem.next)
        findings.append(Finding(name, f"{phase.name}.remote", Verdict.ERROR, problem.found, problem.next))
    return findings


def _checked(session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """The checks of the phase; a host on which none ran was not judged, which is INCONCLUSIVE."""
    checked = check_hosts(session, phase, hosts)
    session.tell("checks", phase=phase.name, findings=[finding.as_json() for finding in checked])
    judged = {finding.host for finding in checked}
    unseen = [name for name in hosts if name not in judged]
    words, advice = "no check ran on this host", f"see roles/{phase.name}/checks.py"
    return [*checked, *(Finding(name, f"{phase.name}.checks", Verdict.INCONCLUSIVE, words, advice) for name in unseen)]


def _gate(session: Session, phase: Phase, hosts: Sequence[str], findings: Sequence[Finding]) -> Answer:
    answer = decide(phase, findings, hosts)
    session.tell(
        "gate", phase=phase.name, hosts=list(hosts), verdict=str(answer.verdict), opens=answer.opens, judged=answer.judged,
        findings=[finding.as_json() for finding in answer.findings],
    )  # fmt: skip
    return answer
