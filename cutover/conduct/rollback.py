"""The way back: every touched host returns to V1, verified, what V2 wrote kept aside. Works from any state of phases 3-5.

A host that does not answer keeps no other from going: it is tried again, and then owed a rollback, which is remembered here
and on the hosts that did answer.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover.conduct.leases import regain
from cutover.conduct.phase import recheck, run_phase
from cutover.conduct.session import Session
from cutover.decide.phases import COMMITTING, ROLLBACK
from cutover.words.errors import Locked, MixedFleet, Problem
from cutover.world.agent import HostAgent
from cutover.world.journal import utc_now
from cutover.world.owed import book_of

SETTLE_S = 60.0
TRIES_AGAIN = 1  # for hosts that did not answer when the others went back; after that a person decides when
TRY_AGAIN_S = 2.0
BY_ITSELF = "the host's own revert"
BY_HAND = "on the host: systemctl status of both units; docs/runbook.md, «rollback incomplete», says how to bring V1 back by hand"


@dataclass(frozen=True)
class Back:
    """How a rollback ended: the hosts that went back."""

    hosts: tuple[str, ...]


def go_back(
    session: Session,
    cause: str,
    hosts: Sequence[str] | None = None,
    already: Sequence[str] = (),
    lost: Sequence[Problem] = (),
) -> Back:
    """Take hosts back (those on which phases 3-5 began, where None). Raises MixedFleet with the hosts that are not back.

    Those that are back `already`, by themselves or by an earlier rollback, are judged, and only taken back once more where
    they do not pass. `lost` are hosts that could not even be asked. Raises Locked where another controller has taken the run
    over: it is theirs to end.
    """
    touched = tuple(session.begun([phase.name for phase in COMMITTING]) if hosts is None else hosts)
    try:
        return _go_back(session, cause, touched, already, lost)
    except (MixedFleet, Locked):
        raise
    except (
        Exception
    ) as broken:  # a full disk here, a bug of ours: the hosts it leaves behind must be named all the same
        found = f"the way back was cut short here: {type(broken).__name__}: {broken}"
        raise MixedFleet([Problem(host=name, found=found, next=BY_HAND) for name in touched or ("",)]) from broken


def _go_back(
    session: Session, cause: str, touched: tuple[str, ...], already: Sequence[str], lost: Sequence[Problem]
) -> Back:
    session.journal.goes_on_unwritten = True
    session.tell("rollback.started", hosts=list(touched), cause=cause)
    problems, silent = _round(session, touched, already)
    for _ in range(TRIES_AGAIN):
        if silent:
            time.sleep(TRY_AGAIN_S)
            more, silent = _round(session, [problem.host for problem in silent], already)
            problems += more
    problems += silent
    failed = {problem.host for problem in problems}
    back = [name for name in touched if name not in failed]
    owed = sorted({*failed, *(problem.host for problem in lost)})
    unconfirmed = _settle(session, [name for name in session.hosts if name not in failed], touched, cause, owed)
    session.tell("rollback.finished", hosts=back, failed=sorted(failed), cause=cause)
    _remember(session, [*problems, *lost], set(back) - {problem.host for problem in unconfirmed})
    if problems or lost or unconfirmed:
        raise MixedFleet([*problems, *lost, *unconfirmed])
    return Back(touched)


def _round(session: Session, hosts: Sequence[str], already: Sequence[str]) -> tuple[list[Problem], list[Problem]]:
    """Take hosts back that answer; gives what is wrong with them, and who did not answer."""
    taken, gone = regain(session)
    _take_over_reverts(session)
    if hosts and {problem.host for problem in taken} >= set(hosts):
        raise Locked(taken)
    silent = [problem for problem in gone if problem.host in hosts]
    going = [name for name in hosts if name not in {problem.host for problem in silent}]
    sound = _still_back(session, [name for name in going if name in already])
    left = [name for name in going if name not in sound]
    return (run_phase(session, ROLLBACK, left).problems if left else []), silent


def _take_over_reverts(session: Session) -> None:
    """Put into the journal what hosts did on their own way back, once: nothing else tells what happened there, and for how long."""
    known = {
        (record.host, record.data["reverted_at"]) for record in session.journal.of("outcome") if "by" in record.data
    }
    for host in session.hosts:
        reverted = session.reverted.get(host)
        if reverted is None or (host, reverted["at"]) in known:
            continue
        words = {step.id: step.words for step in session.plans[host].of(ROLLBACK)}
        about = {"host": host, "phase": ROLLBACK.name, "by": BY_ITSELF, "reverted_at": reverted["at"]}
        session.journal.write_all(
            "outcome", [{**about, "words": words.get(one["id"], one["id"]), **one} for one in reverted["steps"]]
        )


def _still_back(session: Session, already: Sequence[str]) -> list[str]:
    """Those that the checks of the way back pass, and that can be left as they are."""
    if not already:
        return []
    shut = {problem.host for problem in recheck(session, ROLLBACK, already).problems}
    return [name for name in already if name not in shut]


def _settle(
    session: Session, hosts: Sequence[str], touched: Sequence[str], cause: str, owed: Sequence[str]
) -> list[Problem]:
    """Leave word on each host that it is back, and take its own revert away. One that failed keeps it: it will try again.

    Who is owed a rollback is left on every host that answers, so that another machine knows of it too.
    """
    state = {"status": ROLLBACK.name, "at": utc_now(), "cause": cause, **({"owed": list(owed)} if owed else {})}

    def settle(agent: HostAgent) -> None:
        token = session.token(agent.name)
        if agent.name in touched or owed:
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


def _remember(session: Session, owed: Sequence[Problem], back: Iterable[str]) -> None:
    """Write down on this machine which hosts are owed a rollback, and strike out those that went back."""
    book = book_of(session.root, session.environment)
    book.settle(back)
    if owed:
        book.owe(session.run, owed)
        hosts = sorted({problem.host for problem in owed})
        session.tell(
            "rollback.owed", hosts=hosts, next=f"`./invokew rollback --hosts {':'.join(hosts)}` once they answer"
        )
