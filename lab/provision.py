"""Put the old release in service on test hosts, as the service's role says (`lab` in its steps.py). Same steps, same agent, same lease."""

from collections.abc import Sequence

from cutover.core.errors import Refused, Unreachable
from cutover.core.step import Step
from cutover.inventory.targets import Targets
from cutover.plan.gate import Finding, judge_outcomes
from cutover.plan.roles import RunFacts, contexts, steps_of
from cutover.remote.agent import HostAgent
from cutover.remote.fleet import reached
from cutover.run.leases import holder

APPLY_S = 180.0
LAB = "lab"


def provision(targets: Targets, run: str) -> None:
    """Bring all chosen hosts to what the role says; Refused with everything that failed."""
    roles = contexts(targets, RunFacts(run, run.split("-", maxsplit=1)[0]))
    steps = {name: steps_of(role, LAB, LAB) for name, role in roles.items()}
    files = {name: {digest: file.text for digest, file in role.files.items()} for name, role in roles.items()}
    with reached(targets) as (fleet, unreachable):
        if unreachable:
            raise Unreachable(unreachable)
        findings = fleet.every(
            lambda agent: _apply(agent, run, steps[agent.name], files[agent.name]), deadline=APPLY_S * 2
        )
    if wrong := [
        finding.problem() for found in findings.values() for finding in found if not finding.verdict.lets_pass
    ]:
        raise Refused(wrong)


def _apply(agent: HostAgent, run: str, steps: Sequence[Step], files: dict[str, str]) -> list[Finding]:
    lease = agent.begin(run=run, holder=holder(), nonce=run, lease_s=APPLY_S)["lease"]
    try:
        outcomes = agent.apply(
            run=run, batch="provision", token=lease["token"], steps=steps, files=files, deadline_s=APPLY_S
        )
    finally:
        agent.release(token=lease["token"])
    return judge_outcomes(agent.name, steps, outcomes)
