"""`status`: what each host runs, who holds it, whether a revert is armed. One look a host."""

from cutover.conduct.fleet import connected
from cutover.conduct.targets import Targets
from cutover.decide.roles import Role, RunFacts, steps_of
from cutover.decide.phases import PHASES
from cutover.words.step import State
from cutover.world.agent import HostAgent

LOOK_S = 30.0


def look_at_state(targets: Targets) -> dict[str, State]:
    """Per host: lease, revert, runs (as the agent says them), and `facts`: what the first role reads of a host."""
    role = PHASES[0].name
    probes = {
        name: steps_of(Role(role, targets.root, targets.variables[name], RunFacts("status", "")), "facts")
        for name in targets.names
    }

    def look(agent: HostAgent) -> State:
        return {**agent.status(), "facts": agent.look(probes[agent.name])}

    with connected(targets) as fleet:
        return fleet.every(look, deadline=LOOK_S)
