"""Phase 2 of the loans pipeline: its entry point runs as the service's user."""

from typing import Any

from cutover.plan.plan import HostPlan


def test_its_entry_point_runs_as_the_service(host: Any, wanted: HostPlan) -> None:
    """The release's entry point starts as the service's user and says which release it is. If not: see the permissions on the way to it."""
    step, user = next(step for step in wanted.steps["staging"] if step.kind == "release"), wanted.service.user
    with host.sudo(user):
        said = host.check_output("%s/bin/kpi --version", step.args["path"])
    assert step.desired["id"] in said, said
