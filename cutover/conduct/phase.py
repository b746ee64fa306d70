"""One phase on some hosts: the work on all of them at once, then the checks, then the gate."""

from collections.abc import Callable, Sequence

from cutover.conduct.checks import check_hosts
from cutover.conduct.fleet import as_problems
from cutover.conduct.session import Session
from cutover.conduct.work import work_on
from cutover.decide.gate import Answer, Finding, decide
from cutover.decide.phases import Phase
from cutover.words.verdict import Verdict
from cutover.world.agent import HostAgent

SLACK_S = 30.0  # beyond the deadline of the remote work itself: what comes after it must not be cut off

Before = Callable[[HostAgent], None]  # what has to be on the host before the work begins (an upload)


def run_phase(session: Session, phase: Phase, hosts: Sequence[str], *, before: Before | None = None) -> Answer:
    """Carry a phase out on hosts and let the gate decide. Checks run only where the steps themselves held."""
    session.tell("phase.started", phase=phase.name, title=phase.title, hosts=list(hosts))
    deadline = session.times.rollback_budget if phase.name == "rollback" else session.times.phase

    def work(agent: HostAgent) -> list[Finding]:
        if before is not None:
            before(agent)
        return work_on(session, phase, agent, session.plans[agent.name].of(phase), deadline_s=deadline)

    findings: list[Finding] = []
    for name, outcome in session.fleet.each(work, hosts, deadline=deadline + SLACK_S).items():
        if outcome.error is not None:
            problem = as_problems(outcome.error, name)[0]
            session.tell("failed", host=name, phase=phase.name, found=problem.found, next=problem.next)
            findings.append(Finding(name, f"{phase.name}.remote", Verdict.ERROR, problem.found, problem.next))
        else:
            findings += outcome.unwrap()
    sound = [name for name in hosts if all(finding.verdict.lets_pass for finding in findings if finding.host == name)]
    if sound:
        checked = check_hosts(session, phase, sound)
        session.tell("checks", phase=phase.name, findings=[finding.as_json() for finding in checked])
        findings += checked
        findings += [
            Finding(name, f"{phase.name}.checks", Verdict.INCONCLUSIVE, "no check ran on this host", f"see roles/{phase.name}/checks.py")
            for name in sound
            if not any(finding.host == name for finding in checked)
        ]
    answer = decide(phase, findings, hosts)
    session.tell(
        "gate", phase=phase.name, hosts=list(hosts), verdict=str(answer.verdict), opens=answer.opens, judged=answer.judged,
        findings=[finding.as_json() for finding in answer.findings],
    )  # fmt: skip
    return answer
