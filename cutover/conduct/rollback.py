"""The way back: every touched host returns to V1, verified, what V2 wrote kept aside. Works from any state of phases 3-5."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.conduct.leases import regain
from cutover.conduct.phase import run_phase
from cutover.conduct.session import Session
from cutover.decide.gate import Answer
from cutover.decide.phases import COMMITTING, ROLLBACK
from cutover.words.errors import MixedFleet, Problem
from cutover.world.agent import HostAgent
from cutover.world.journal import utc_now

SETTLE_S = 60.0
BY_HAND = "on the host: systemctl status of both units; docs/runbook.md, «rollback incomplete», says how to bring V1 back by hand"


@dataclass(frozen=True)
class Back:
    """How a rollback ended: the hosts that went back, and the gate's answer."""

    hosts: tuple[str, ...]
    answer: Answer | None


def go_back(session: Session, cause: str, hosts: Sequence[str] | None = None) -> Back:
    """Take hosts back (those on which phases 3-5 began, where None). Raises MixedFleet with the hosts that are not back."""
    touched = tuple(session.begun([phase.name for phase in COMMITTING]) if hosts is None else hosts)
    try:
        return _go_back(session, cause, touched)
    except MixedFleet:
        raise
    except (
        Exception
    ) as broken:  # a full disk here, a bug of ours: the hosts it leaves behind must be named all the same
        found = f"the way back was cut short here: {type(broken).__name__}: {broken}"
        raise MixedFleet([Problem(host=name, found=found, next=BY_HAND) for name in touched or ("",)]) from broken


def _go_back(session: Session, cause: str, touched: tuple[str, ...]) -> Back:
    session.tell("rollback.started", hosts=list(touched), cause=cause)
    regain(session)
    answer = run_phase(session, ROLLBACK, touched) if touched else None
    failed = {problem.host for problem in (answer.problems if answer else [])}
    unconfirmed = _settle(session, [host for host in session.hosts if host not in failed], touched, cause)
    session.tell(
        "rollback.finished", hosts=[host for host in touched if host not in failed], failed=sorted(failed), cause=cause
    )
    if failed or unconfirmed:
        raise MixedFleet([*(answer.problems if answer else []), *unconfirmed])
    return Back(touched, answer)


def _settle(session: Session, hosts: Sequence[str], touched: Sequence[str], cause: str) -> list[Problem]:
    """Leave word on each host that it is back, and take its own revert away. One that failed keeps it: it will try again."""
    state = {"status": ROLLBACK.name, "at": utc_now(), "cause": cause}

    def settle(agent: HostAgent) -> None:
        token = session.token(agent.name)
        if agent.name in touched:
            agent.record(token=token, run=session.run, state=state)
        agent.disarm(token=token)

    outcomes = session.fleet.each(settle, [host for host in hosts if host in session.tokens], deadline=SETTLE_S)
    problems = [
        Problem(
            host=name,
            found=f"its own revert could not be taken away: {outcome.error}",
            next=f"it may go back once more by itself; {BY_HAND}",
        )
        for name, outcome in outcomes.items()
        if outcome.error is not None
    ]
    for problem in problems:
        session.tell("failed", host=problem.host, phase=ROLLBACK.name, found=problem.found, next=problem.next)
    return [problem for problem in problems if problem.host in touched]  # on the others V1 was never stopped
