"""A service for tests that are not about one: two units, one file, one directory, no artifact."""

from typing import Any

from cutover.core.step import Step
from cutover.plan.plan import HostPlan
from cutover.plan.service import Service


def toy(**changes: Any) -> Service:
    """The service with other keys of service.yml."""
    return Service.model_validate(
        {
            "title": "Toy",
            "from": {"label": "V1", "unit": "toy-v1.service"},
            "to": {"label": "V2", "unit": "toy-v2.service"},
            "artifact": {"kind": "none", "version": "2"},
            **changes,
        }
    )


TOY = toy()


def toy_plan(**changes: Any) -> HostPlan:
    """The plan of a host of it on which nothing is to be done, with other fields."""
    fields = {"service": TOY, "name": "a", "address": "192.0.2.1", "variables": {}, "facts": {}, "steps": {}}
    return HostPlan(**{**fields, "changes": (), "diffs": (), **changes})


def toy_step(name: str, **changes: Any) -> Step:
    """A step about nothing, with other fields."""
    fields = {"id": name, "kind": "unit", "words": f"{name} is so", "args": {}, "desired": {}, "next": "mend it"}
    return Step(**{**fields, **changes})
