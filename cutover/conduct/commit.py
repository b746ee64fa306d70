"""Phases 3-5, batch by batch. Each host arms its own revert before its V1 stops; the last gate of the last batch confirms."""

from collections.abc import Sequence

from cutover.conduct.arming import ARM_S, arm
from cutover.conduct.bake import bake
from cutover.conduct.phase import run_phase
from cutover.conduct.session import Session
from cutover.decide.phases import COMMITTING
from cutover.words.errors import CutoverError, Problem
from cutover.world.agent import HostAgent
from cutover.world.journal import utc_now


class GateShut(CutoverError):
    """A gate said no after V1 was stopped somewhere: the way is back."""


def commit(session: Session, batches: Sequence[Sequence[str]]) -> None:
    """Take batch after batch from V1 to V2; raises GateShut or Interrupted, and the caller goes back."""
    for number, hosts in enumerate(batches, start=1):
        session.stop.check()
        session.tell("batch.started", number=number, of=len(batches), hosts=list(hosts))
        if unarmed := arm(session, hosts):
            raise GateShut(unarmed)
        for phase in COMMITTING:
            session.stop.check()
            _still_ours(session)
            answer = run_phase(session, phase, hosts)
            if not answer.opens:
                raise GateShut(answer.problems)
        bake(session, hosts)
        _still_ours(session)
    confirm(session)


def confirm(session: Session) -> None:
    """Take the armed reverts away: from here on a silent controller changes nothing."""
    state = {"status": "confirmed", "at": utc_now()}

    def keep(agent: HostAgent) -> None:
        agent.record(token=session.token(agent.name), run=session.run, state=state)
        agent.disarm(token=session.token(agent.name))

    session.fleet.every(keep, session.hosts, deadline=ARM_S)
    session.tell("confirmed", hosts=list(session.hosts))


def _still_ours(session: Session) -> None:
    """A host that took its lease back (it reverted by itself, or another run has it) ends the run."""
    lost = [host for host in session.hosts if host not in session.tokens]
    if lost:
        raise GateShut(
            Problem(
                host=host,
                found="the lease is lost: the host went back by itself or another run holds it",
                next="see `invoke status`",
            )
            for host in lost
        )
