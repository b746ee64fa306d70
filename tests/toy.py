"""A service for tests that are not about one: two units, one file, one directory, no artifact."""

from typing import Any

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
