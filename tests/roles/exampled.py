"""The roles as an example host would have them, for tests of what they want of it."""

from collections.abc import Mapping
from pathlib import Path

from cutover.core.host import Host
from cutover.core.step import State, Step
from cutover.inventory.declarations import declarations
from cutover.inventory.variables import resolve
from cutover.plan.roles import ReleaseFacts, RoleContext, RunFacts, steps_of
from cutover.plan.service import load_service
from tests.checkout import ROOT

RUN = RunFacts("20260102T030405Z-abc123", "20260102T030405Z")
RELEASE = ReleaseFacts("2.0.0-0123456789ab", "ab" * 32, 30_000_000, "3.11", "x86_64")
FACTS: Mapping[str, State] = {
    "host": {"machine": "x86_64", "python": "3.11.2", "python_minor": "3.11", "os": "Debian GNU/Linux 12 (bookworm)"},
    "old": {
        "active": "active",
        "enabled": "enabled",
        "file": "/etc/systemd/system/abaco-pipeline-v1.service",
        "stop_timeout_s": 90.0,
    },
    "new": {"active": "inactive", "enabled": "absent", "file": ""},
    "file-config": {"type": "file", "sha256": "cd" * 32},
    "current": {"type": "link", "target": "/opt/abaco/releases/1.0.0"},
    "new-health": {"answers": False, "status": "none"},
}


SERVICE = load_service(ROOT, "abaco")


def role_for(facts: Mapping[str, State] = FACTS, **variables: object) -> RoleContext:
    """The role for the example host, all of whose variables have their defaults but for those that are named."""
    host = Host(
        "web1",
        "198.18.0.1",
        "example",
        Path("/inventory/example/known_hosts"),
        groups=("example",),
        variables={"cutover_service": "abaco", "abaco_environment": "production", "abaco_connections": [], **variables},
    )
    declared = declarations(ROOT / "roles", ["standard", "abaco"])
    return RoleContext(SERVICE, resolve(host, declared), RUN, RELEASE, facts)


def wanted(case: str) -> tuple[RoleContext, tuple[Step, ...]]:
    """What the roles want in a case: a phase, or `<phase>.<function>`."""
    phase, _, function = case.partition(".")
    role = role_for()
    return role, steps_of(role, phase, function or "steps")
