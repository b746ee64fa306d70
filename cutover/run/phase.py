"""One phase on some hosts: the work on all of them at once, then the checks, then the gate."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cutover.agent.compare import differences
from cutover.core.errors import CutoverError, Problem, Unreachable
from cutover.core.step import State, Step
from cutover.core.verdict import Verdict
from cutover.plan.gate import Answer, Finding, decide, judge_outcomes
from cutover.plan.phases import ROLLBACK, Phase
from cutover.remote.agent import Fenced, HostAgent, sources_digest
from cutover.remote.fleet import as_problems, failures
from cutover.remote.timeouts import ARM_S, ASK_AGAIN_S, BAKE_SAMPLE_S, PHASE_SLACK_S
from cutover.remote.transport import DeadlinePassed, Lost
from cutover.run.checks import check_hosts
from cutover.run.session import Session

# Arm the hosts' own revert: whoever goes silent from here on, a host that is not confirmed goes back by itself.


def arm(session: Session, hosts: Sequence[str], deadline: float = ARM_S) -> list[Problem]:
    """Arm it on hosts; gives the problems of those where that failed, or took longer."""

    def arm_one(agent: HostAgent) -> object:
        return agent.arm(
            token=session.token(agent.name),
            run=session.run,
            undo=session.plans[agent.name].of(ROLLBACK),
            confirm_s=session.times.confirm,
            budget_s=session.times.rollback_budget,
        )

    problems = failures(session.fleet.each(arm_one, hosts, deadline=deadline))
    lacking = {problem.host for problem in problems}
    session.record("armed", hosts=[name for name in hosts if name not in lacking], confirm_s=session.times.confirm)
    return problems


# Watch a batch for its bake time before it counts as good: same process, no restart, healthy, in every sample.


class Unstable(CutoverError):
    """The new release did not stay as it was during the bake time."""


def bake(session: Session, hosts: Sequence[str]) -> None:
    """Sample the probes of `bake` for the bake time (seconds); raises Unstable at the first sample that is not as it must be."""
    session.record("bake.started", hosts=list(hosts), seconds=session.times.bake)
    end = time.monotonic() + session.times.bake
    try:
        first = _sample(session, hosts, {})
        samples = 1
        while (left := end - time.monotonic()) > 0:
            session.stop.wait(min(left, session.times.bake_every))
            _sample(session, hosts, first)
            samples += 1
    except Unstable as unstable:
        session.record("bake.failed", problems=[problem.as_json() for problem in unstable.problems])
        raise
    session.record("bake.done", hosts=list(hosts), seconds=session.times.bake, looks=samples)


def _sample(
    session: Session, hosts: Sequence[str], first: Mapping[str, dict[str, State]]
) -> dict[str, dict[str, State]]:
    """One sample of every host: each value is the desired one, and the invocation, main process and restarts are those of the first."""

    def look(agent: HostAgent) -> dict[str, State]:
        return agent.look(session.plans[agent.name].steps["bake"], deadline_s=BAKE_SAMPLE_S)

    states = session.fleet.every(look, hosts, deadline=BAKE_SAMPLE_S * 2)
    wrong = [
        Problem(host=host, path=step.id, found=difference, next=step.next)
        for host in hosts
        for step in session.plans[host].steps["bake"]
        for difference in differences(states[host][step.id], step.desired)
    ]
    for host, before in first.items():
        for name, state in before.items():
            now = states[host][name]
            wrong += [
                Problem(
                    host=host,
                    path=name,
                    found=f"{key} was {state[key]} and is {now.get(key)}: it was restarted",
                    next="see the unit's journal on the host",
                )
                for key in ("invocation", "restarts", "main_pid")
                if key in state and state[key] != now.get(key)
            ]
    if wrong:
        raise Unstable(wrong)
    return states


# One batch of steps on one host: intents first, then the effect, then what was seen; a lost connection loses no result.


def work_on(
    session: Session, phase: Phase, agent: HostAgent, steps: Sequence[Step], *, deadline_s: float
) -> list[Finding]:
    """Carry out steps on a host and judge each by its second look; a remote error is a finding, never silence."""
    before = [one for one in session.journal.of("intent") if (one.host, one.phase) == (agent.name, phase.name)]
    # Unique on the host for ever: another machine, whose journal of the run is new, has another token.
    batch = f"{phase.name}-{session.token(agent.name)}.{1 + len(before)}"
    sent = json.dumps([step.for_host() for step in steps], sort_keys=True).encode()
    session.record(
        "intent", host=agent.name, phase=phase.name, batch=batch, steps=[step.id for step in steps],
        sha256=hashlib.sha256(sent).hexdigest(), agent=sources_digest(),
    )  # fmt: skip
    started = time.monotonic()
    try:
        outcomes = _apply(session, phase, agent, steps, batch, deadline_s)
    except Exception as failure:  # noqa: BLE001 - whatever it is, what happened on this host is unknown, and recorded
        return [_unknown(session, phase, agent.name, failure)]
    words = {step.id: step.words for step in steps}
    about = {"host": agent.name, "phase": phase.name}
    session.journal.write_all("outcome", [{**about, "words": words[outcome["id"]], **outcome} for outcome in outcomes])
    session.record(
        "batch.done", host=agent.name, phase=phase.name, batch=batch, seconds=round(time.monotonic() - started, 3)
    )
    return judge_outcomes(agent.name, steps, outcomes)


def _apply(
    session: Session, phase: Phase, agent: HostAgent, steps: Sequence[Step], batch: str, deadline_s: float
) -> list[State]:
    """Ask the host to do the batch, and ask for its result again as long as the deadline allows, should the connection go."""
    files = {step.content: session.contents[step.content] for step in steps if step.content}
    end = time.monotonic() + deadline_s
    gone_at: float | None = None
    while True:
        token = session.token(agent.name)
        try:
            return agent.apply(
                run=session.run, batch=batch, token=token, steps=steps, files=files,
                deadline_s=deadline_s, keep_going=phase.gathers, head=session.journal.head,
            )  # fmt: skip
        except Fenced as fenced:
            session.lose(agent.name, token, str(fenced))
            raise
        except (Lost, DeadlinePassed, Unreachable) as gone:
            gone_at = gone_at or time.monotonic()
            if phase.commits or phase is ROLLBACK:  # others may be without service, and this one goes back by itself
                end = min(end, gone_at + session.times.confirm)
            if time.monotonic() + ASK_AGAIN_S >= end:
                raise
            session.record(
                "connection.lost", host=agent.name, phase=phase.name, found=as_problems(gone, agent.name)[0].found
            )
            time.sleep(ASK_AGAIN_S)


def _unknown(session: Session, phase: Phase, host: str, failure: BaseException) -> Finding:
    problem = replace(as_problems(failure, host)[0], host=host)
    session.record_failed(phase, problem)
    return Finding(host, f"{phase.name}.remote", Verdict.ERROR, problem.found, problem.next)


def run_phase(session: Session, phase: Phase, hosts: Sequence[str]) -> Answer:
    """Carry a phase out on hosts and let the gate decide. Checks run only where the steps themselves held."""
    session.record("phase.started", phase=phase.name, title=phase.title, hosts=list(hosts))
    deadline = session.times.rollback_budget if phase is ROLLBACK else session.times.phase

    def work(agent: HostAgent) -> list[Finding]:
        return work_on(session, phase, agent, session.plans[agent.name].of(phase), deadline_s=deadline)

    findings: list[Finding] = []
    for name, outcome in session.fleet.each(work, hosts, deadline=deadline + PHASE_SLACK_S).items():
        findings += [_unknown(session, phase, name, outcome.error)] if outcome.error else outcome.unwrap()
    sound = [name for name in hosts if all(finding.verdict.lets_pass for finding in findings if finding.host == name)]
    if sound:
        findings += _checked(session, phase, sound)
    return _gate(session, phase, hosts, findings)


def recheck(session: Session, phase: Phase, hosts: Sequence[str] | None = None) -> Answer:
    """Only the checks of a phase that was done before: is everything still as it left it?"""
    hosts = session.hosts if hosts is None else hosts
    session.record("phase.started", phase=phase.name, title=f"{phase.title} (still so?)", hosts=list(hosts))
    return _gate(session, phase, hosts, _checked(session, phase, hosts))


def _checked(session: Session, phase: Phase, hosts: Sequence[str]) -> list[Finding]:
    """The checks of the phase; a host on which none ran was not judged, which is INCONCLUSIVE."""
    checked = check_hosts(session, phase, hosts)
    session.record("checks", phase=phase.name, findings=[finding.as_json() for finding in checked])
    judged = {finding.host for finding in checked}
    unseen = [name for name in hosts if name not in judged]
    words, advice = "no check ran on this host", f"see roles/*/checks/{phase.name}.py"
    return [*checked, *(Finding(name, f"{phase.name}.checks", Verdict.INCONCLUSIVE, words, advice) for name in unseen)]


def _gate(session: Session, phase: Phase, hosts: Sequence[str], findings: Sequence[Finding]) -> Answer:
    answer = decide(phase, findings, hosts)
    session.record(
        "gate", phase=phase.name, hosts=list(hosts), verdict=str(answer.verdict), opens=answer.opens, judged=answer.judged,
        findings=[one.as_json() for one in answer.findings if one.verdict is not Verdict.PASS],
    )  # fmt: skip
    return answer
