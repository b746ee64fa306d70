"""What a plan already knows of its own end: where a probe of the first phase did not hold at planning, its gate would stay shut."""

from cutover.decide.phases import PHASES
from cutover.decide.plan import Plan
from cutover.words.errors import Problem


def said_no(plan: Plan) -> list[Problem]:
    """What phase 0 would say no to, as its gate would tell it. A warning lets the run pass."""
    return [
        Problem(f"{step.words}: {'; '.join(found)}", step.next or "see the plan", host=host.name, path=step.id)
        for host in plan.hosts.values()
        for step in host.of(PHASES[0])
        if step.probe and step.severity == "FAIL"
        for found in [next((change.differences for change in host.changes if change.step == step.id), ())]
        if found
    ]
