"""One batch of steps on one host: intents first, then the effect, then what was seen; a lost connection loses no result."""

import time
from collections.abc import Sequence

from cutover.conduct.fleet import as_problems
from cutover.conduct.session import Session
from cutover.decide.gate import Finding, judge_outcomes
from cutover.decide.phases import COMMITTING, ROLLBACK, Phase
from cutover.words.errors import Unreachable
from cutover.words.step import State, Step
from cutover.words.verdict import Verdict
from cutover.world.agent import Fenced, HostAgent
from cutover.world.remote.base import DeadlinePassed, Lost

ASK_AGAIN_S = 1.0  # between two questions for the result of a batch whose connection was lost


def work_on(
    session: Session, phase: Phase, agent: HostAgent, steps: Sequence[Step], *, deadline_s: float
) -> list[Finding]:
    """Carry out steps on a host and judge each by its second look; a remote error is a finding, never silence."""
    batch = _batch_name(session, phase, agent.name)
    session.tell("intent", host=agent.name, phase=phase.name, batch=batch, steps=[step.id for step in steps])
    started = time.monotonic()
    try:
        outcomes = _apply(session, phase, agent, steps, batch, deadline_s)
    except Exception as failure:  # noqa: BLE001 - whatever it is, what happened on this host is unknown, and told
        return [_unknown(session, phase, agent.name, failure)]
    words = {step.id: step.words for step in steps}
    about = {"host": agent.name, "phase": phase.name}
    session.journal.write_all("outcome", [{**about, "words": words[outcome["id"]], **outcome} for outcome in outcomes])
    session.tell(
        "batch.done", host=agent.name, phase=phase.name, batch=batch, seconds=round(time.monotonic() - started, 3)
    )
    return judge_outcomes(agent.name, steps, outcomes)


def _batch_name(session: Session, phase: Phase, host: str) -> str:
    """<phase>-<token>.<n>, unique on the host for ever: another machine, whose journal of the run is new, has another token."""
    before = [record for record in session.journal.of("intent") if (record.host, record.phase) == (host, phase.name)]
    return f"{phase.name}-{session.token(host)}.{1 + len(before)}"


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
                deadline_s=deadline_s, keep_going=phase.gathers,
            )  # fmt: skip
        except Fenced as fenced:
            session.lose(agent.name, token, str(fenced))
            raise
        except (Lost, DeadlinePassed, Unreachable) as gone:
            gone_at = gone_at or time.monotonic()
            if phase in (
                *COMMITTING,
                ROLLBACK,
            ):  # others may be without service meanwhile, and this one goes back by itself
                end = min(end, gone_at + session.times.confirm)
            if time.monotonic() + ASK_AGAIN_S >= end:
                raise
            session.tell(
                "connection.lost", host=agent.name, phase=phase.name, found=as_problems(gone, agent.name)[0].found
            )
            time.sleep(ASK_AGAIN_S)


def _unknown(session: Session, phase: Phase, host: str, failure: Exception) -> Finding:
    problem = as_problems(failure, host)[0]
    session.tell("failed", host=host, phase=phase.name, found=problem.found, next=problem.next)
    return Finding(host, f"{phase.name}.remote", Verdict.ERROR, problem.found, problem.next)
