"""Phase 5: the service is judged by what its own role adds; here, that it is still ready, and what must stay so in the bake time."""

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import http, probe


def steps(role: RoleContext) -> list[Step]:
    """Still running, still ready."""
    return [_running(role, "validation.new"), *_healthy(role, "validation.ready")]


def validate(role: RoleContext) -> list[Step]:
    """The same outside a run."""
    return steps(role)


def bake(role: RoleContext) -> list[Step]:
    """What must stay so during the bake time."""
    old = role.service.old.unit
    return [
        _running(role, "bake.new"),
        probe(
            "bake.old",
            "unit",
            f"state of {old}",
            {"active": {"one_of": ["inactive", "failed"]}, "enabled": {"one_of": ["disabled", "absent"]}},
            args={"unit": old},
            next=f"somebody started {role.old} beside {role.new}: find out who",
        ),
        *_healthy(role, "bake.health"),
    ]


def _running(role: RoleContext, name: str) -> Step:
    unit = role.service.new.unit
    return probe(
        name,
        "unit",
        f"state of {unit}",
        {"active": "active", "restarts": 0, "enabled": "enabled"},
        args={"unit": unit},
        next=f"{role.new} was restarted or died: journalctl -u {unit}",
    )


def _healthy(role: RoleContext, name: str) -> list[Step]:
    health = role.service.new.health
    if health is None:
        return []
    words, next_ = f"health of {role.new}", f"{role.new}'s answer says what is wrong"
    return [
        http(name, health.url, role.healthy, wait_s=0, words=words, unit=role.service.new.unit, next=next_, probe=True)
    ]
