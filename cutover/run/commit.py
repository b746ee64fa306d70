"""Phases 3-5, batch by batch. Each host arms its own revert before its V1 stops; the last gate of the last batch confirms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.core.errors import CutoverError, Problem, Refused
from cutover.journal.journal import utc_now
from cutover.plan.phases import COMMITTING, PREPARING, Phase
from cutover.remote.agent import HostAgent
from cutover.run.phase import ARM_S, arm, bake, recheck, run_phase
from cutover.run.session import UPLOAD_S, Session

# Phases 0-2 on all hosts. One no, and nothing of V1 has been touched anywhere.


def prepare(session: Session, *, again: bool = False) -> None:
    """Validate, back up and stage on every host; raises Refused at the first gate that stays shut.

    Where that was done before, phase 0 is done anew, and of the others only the checks: is it still as it was prepared?
    """
    for phase in PREPARING:
        session.check()
        if again and phase is not PREPARING[0]:
            answer = recheck(session, phase)
        else:
            _send_release(session, phase)
            answer = run_phase(session, phase, session.hosts)
        if not answer.opens:
            raise Refused(answer.problems)
    session.tell("prepared", hosts=list(session.hosts))


def _send_release(session: Session, phase: Phase) -> None:
    """Send the artifact to every host where the phase will unpack it and the release is not there yet."""

    def send(agent: HostAgent) -> None:
        for step in session.plans[agent.name].of(phase):
            if step.kind == "release" and not agent.look([step])[step.id].get("present"):
                _upload(session, agent, step.args["artifact"], step.args["sha256"])

    if any(step.kind == "release" for plan in session.plans.values() for step in plan.of(phase)):
        session.fleet.every(send, session.hosts, deadline=UPLOAD_S)


def _upload(session: Session, agent: HostAgent, target: str, digest: str) -> None:
    artifact: Path | None = session.artifact
    if artifact is None or not artifact.is_file():
        raise Refused(
            Problem(
                host=agent.name,
                path=str(artifact),
                found="the release's artifact is not on this machine any more",
                next="plan again, which builds it",
            )
        )
    agent.transport.upload(artifact, target, sha256=digest, deadline=UPLOAD_S)
    session.tell("uploaded", host=agent.name, bytes=artifact.stat().st_size, sha256=digest, target=target)


CONFIRMED = "confirmed"  # what a host keeps as the state of a run that stays


class GateShut(CutoverError):
    """A gate said no after V1 was stopped somewhere: the way is back."""


@dataclass(frozen=True)
class Reached:
    """Where phases 3-5 stopped: the batch, and the phase of it that is done again. Everything before that was gated."""

    batch: int = 0
    phase: int = 0


def commit(session: Session, batches: Sequence[Sequence[str]], reached: Reached | None = None) -> None:
    """Take batch after batch from V1 to V2; raises GateShut or Interrupted, and the caller goes back.

    With `reached`, a run is taken up where its controller died: what was done before is armed and judged once more.
    """
    at = reached or Reached()
    if reached is not None:
        _take_up(session, [host for hosts in batches[: at.batch] for host in hosts])
    for number, hosts in enumerate(batches[at.batch :], start=at.batch):
        session.check()
        session.tell("batch.started", number=number + 1, of=len(batches), hosts=list(hosts))
        if unarmed := arm(session, hosts):
            raise GateShut(unarmed)
        for phase in COMMITTING[at.phase if number == at.batch else 0 :]:
            session.check()
            _still_ours(session)
            answer = run_phase(session, phase, hosts)
            if not answer.opens:
                raise GateShut(answer.problems)
        bake(session, hosts)
        _still_ours(session)
    confirm(session)


def _take_up(session: Session, done: Sequence[str]) -> None:
    """Hosts that an earlier controller brought to V2: armed again, under the token that rules now, and still as they were left."""
    if not done:
        return
    if unarmed := arm(session, done):
        raise GateShut(unarmed)
    answer = recheck(session, COMMITTING[-1], done)
    if not answer.opens:
        raise GateShut(answer.problems)


def confirm(session: Session) -> None:
    """Take the armed reverts away: from here on a silent controller changes nothing."""
    state = {"status": CONFIRMED, "at": utc_now()}
    session.tell("confirming", hosts=list(session.hosts))

    def keep(agent: HostAgent) -> None:
        agent.record(token=session.token(agent.name), run=session.run, state=state, head=session.journal.head)
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
                next="see `./invokew status`",
            )
            for host in lost
        )
