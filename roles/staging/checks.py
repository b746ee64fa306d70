"""Phase 2, asked again: the release lies there as it was built, can be used by the service's user, and V1 goes on."""

import json
from typing import Any

from cutover.decide.plan import HostPlan


def release(wanted: HostPlan) -> Any:
    """The step that brought the release."""
    return next(step for step in wanted.steps["staging"] if step.kind == "release")


def v1_release(wanted: HostPlan) -> str:
    """Where `current` led when the plan was made: V1's release."""
    current, path = wanted.facts["current"], f"{wanted.variables['abaco_home']}/current"
    found = current.get("type", "unknown")
    assert found == "link", (
        f"{path} was no link when the plan was made ({found}): link it to V1's release, then plan again"
    )
    return str(current["target"])


def test_the_release_is_the_planned_one(host: Any, wanted: HostPlan) -> None:
    """The release on the host names itself as planned, and cannot be written. If not: stage it again."""
    step = release(wanted)
    manifest = json.loads(host.file(f"{step.args['path']}/manifest.json").content_string)
    assert manifest["id"] == step.desired["id"]
    assert host.check_output("find %s -perm /222 -not -type l | head -1", step.args["path"]) == ""


def test_its_entry_point_runs_as_the_service(host: Any, wanted: HostPlan) -> None:
    """The release's entry point starts as the service's user and says which release it is. If not: see the permissions on the way to it."""
    step, user = release(wanted), wanted.variables["abaco_user"]
    said = host.check_output(
        "setpriv --reuid=%s --regid=%s --clear-groups %s/bin/kpi --version", user, user, step.args["path"]
    )
    assert step.desired["id"] in said, said


def test_current_still_is_v1(host: Any, wanted: HostPlan) -> None:
    """What is in service is what was in service. If not: somebody switched the release in the meantime."""
    release = v1_release(wanted)
    assert host.run("readlink %s/current", wanted.variables["abaco_home"]).stdout.strip() == release


def test_v1_still_runs(host: Any, wanted: HostPlan) -> None:
    """V1 went on running through the staging. If not: see its journal; nothing of it was changed."""
    assert host.run("systemctl is-active --quiet %s", wanted.variables["abaco_v1_unit"]).succeeded
