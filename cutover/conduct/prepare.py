"""Phases 0-2 on all hosts. One no, and nothing of V1 has been touched anywhere."""

from pathlib import Path

from cutover.conduct.phase import recheck, run_phase
from cutover.conduct.session import Session
from cutover.conduct.times import UPLOAD_S
from cutover.decide.phases import PREPARING, Phase
from cutover.words.errors import Problem, Refused
from cutover.world.agent import HostAgent


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
