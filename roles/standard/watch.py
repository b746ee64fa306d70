"""What a watch looks at on a host every few seconds, for any service. It measures; the rules judge."""

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import probe

ANSWER_S = 3  # a service that takes longer is missed in this sample; the next one comes soon


def looks(role: RoleContext) -> list[Step]:
    """The cheap ones: the unit, what it uses, its health."""
    new = role.service.new
    found = [
        probe("watch.unit", "unit", f"state of {new.unit}", {}, args={"unit": new.unit}),
        probe("watch.resources", "resources", f"memory and CPU time of {new.unit}", {}, args={"unit": new.unit}),
    ]
    if new.health:
        args = {"url": new.health.url, "wait_s": 0, "answer_s": ANSWER_S}
        found.append(probe("watch.health", "http", f"health of {role.new}", {}, args=args))
    return found
