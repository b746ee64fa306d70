"""Watch a batch for its bake time before it counts as good: same process, no restart, healthy, at every look."""

import time
from collections.abc import Sequence

from cutover.conduct.session import Session
from cutover.hostside.compare import differences
from cutover.words.errors import CutoverError, Problem
from cutover.words.step import State
from cutover.world.agent import HostAgent

LOOK_S = 15.0


class Unstable(CutoverError):
    """V2 did not stay as it was during the bake time."""


def bake(session: Session, hosts: Sequence[str]) -> None:
    """Look at the probes of `bake` again and again for the bake time (seconds); raises Unstable at the first change."""
    session.tell("bake.started", hosts=list(hosts), seconds=session.times.bake)
    end = time.monotonic() + session.times.bake
    first = _look(session, hosts)
    looks = 1
    while (left := end - time.monotonic()) > 0:
        session.stop.wait(min(left, session.times.bake_every))
        now = _look(session, hosts)
        looks += 1
        if changed := [line for host in hosts for line in _changes(host, first[host], now[host])]:
            raise _unstable(session, changed)
    session.tell("bake.done", hosts=list(hosts), seconds=session.times.bake, looks=looks)


def _look(session: Session, hosts: Sequence[str]) -> dict[str, dict[str, State]]:
    """One look at every host; a desired value that is not there ends the bake."""

    def look(agent: HostAgent) -> dict[str, State]:
        return agent.look(session.plans[agent.name].steps["bake"], deadline_s=LOOK_S)

    states = session.fleet.every(look, hosts, deadline=LOOK_S * 2)
    wrong = [
        Problem(host=host, path=step.id, found=str(difference), next=step.next)
        for host in hosts
        for step in session.plans[host].steps["bake"]
        for difference in differences(states[host][step.id], step.desired)
    ]
    if wrong:
        raise _unstable(session, wrong)
    return states


def _changes(host: str, first: dict[str, State], now: dict[str, State]) -> list[Problem]:
    """What must stay the same and did not: the invocation, and with it the main process and the count of restarts."""
    return [
        Problem(
            host=host,
            path=name,
            found=f"{key} was {state[key]} and is {now[name].get(key)}: it was restarted",
            next="see the unit's journal on the host",
        )
        for name, state in first.items()
        for key in ("invocation", "restarts", "main_pid")
        if key in state and state[key] != now[name].get(key)
    ]


def _unstable(session: Session, problems: Sequence[Problem]) -> Unstable:
    session.tell("bake.failed", problems=[problem.as_json() for problem in problems])
    return Unstable(problems)
