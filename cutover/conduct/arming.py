"""Arm the hosts' own revert: whoever goes silent from here on, a host that is not confirmed goes back by itself."""

from collections.abc import Sequence

from cutover.conduct.fleet import failures
from cutover.conduct.session import Session
from cutover.decide.phases import ROLLBACK
from cutover.words.errors import Problem
from cutover.world.agent import HostAgent

ARM_S = 60.0


def arm(session: Session, hosts: Sequence[str]) -> list[Problem]:
    """Arm it on hosts; gives the problems of those where that failed."""

    def arm_one(agent: HostAgent) -> object:
        return agent.arm(
            token=session.token(agent.name),
            run=session.run,
            undo=session.plans[agent.name].of(ROLLBACK),
            confirm_s=session.times.confirm,
            budget_s=session.times.rollback_budget,
        )

    problems = failures(session.fleet.each(arm_one, hosts, deadline=ARM_S))
    lacking = {problem.host for problem in problems}
    session.tell("armed", hosts=[name for name in hosts if name not in lacking], confirm_s=session.times.confirm)
    return problems
