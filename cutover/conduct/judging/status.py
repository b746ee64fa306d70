"""`status`: what each host runs, who holds it, whether a revert is armed. A host that does not answer does not hide the others."""

from cutover.conduct.fleet import failures, reached
from cutover.conduct.resuming.unsettled import owed_by_marks, still_owed
from cutover.conduct.targets import Targets
from cutover.conduct.watching.looking import look_twice, looks_of
from cutover.decide.phases import PHASES
from cutover.decide.roles import Role, RunFacts, steps_of
from cutover.words.errors import Problem
from cutover.words.step import State
from cutover.world.agent import HostAgent
from cutover.world.owed import book_of

LOOK_S = 30.0


def look_at_state(targets: Targets) -> tuple[dict[str, State], list[Problem]]:
    """Per host: lease, revert, runs (as the agent says them), what it is owed, `facts` (what the first role reads), `looks` (look_twice).

    And who is silent.
    """
    role = PHASES[0].name
    probes = {
        name: steps_of(Role(role, targets.root, targets.variables[name], RunFacts("status", "")), "facts")
        for name in targets.names
    }

    looks = {name: looks_of(targets, name) for name in targets.names}

    def look(agent: HostAgent) -> State:
        return {
            **agent.status(),
            "facts": agent.look(probes[agent.name]),
            "looks": look_twice(agent, looks[agent.name]),
        }

    with reached(targets) as (fleet, problems):
        outcomes = fleet.each(look, deadline=LOOK_S)
    states = {name: one.unwrap() for name, one in outcomes.items() if one.error is None}
    owed = {**owed_by_marks(states, targets.names), **still_owed(book_of(targets.root, targets.environment), states)}
    states = {
        name: {**state, "owed": owed[name].problem().found if name in owed else None} for name, state in states.items()
    }
    unasked = [owed[one.host].problem() if one.host in owed else one for one in (*problems, *failures(outcomes))]
    return states, unasked
