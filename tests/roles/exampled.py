"""The roles as an example host would have them, for tests of what they want of it."""

from collections.abc import Mapping
from pathlib import Path

from cutover.core.host import Host
from cutover.core.step import State, Step
from cutover.inventory.declarations import declarations
from cutover.inventory.variables import resolve
from cutover.plan.roles import ReleaseFacts, Role, RunFacts, steps_of
from tests.checkout import ROOT

RUN = RunFacts("20260102T030405Z-abc123", "20260102T030405Z")
RELEASE = ReleaseFacts("2.0.0-0123456789ab", "ab" * 32, 30_000_000, "3.11", "x86_64")
FACTS: Mapping[str, State] = {
    "host": {"machine": "x86_64", "python": "3.11.2", "python_minor": "3.11", "os": "Debian GNU/Linux 12 (bookworm)"},
    "v1": {
        "active": "active",
        "enabled": "enabled",
        "file": "/etc/systemd/system/abaco-pipeline-v1.service",
        "stop_timeout_s": 90.0,
    },
    "v2": {"active": "inactive", "enabled": "absent", "file": ""},
    "config": {"type": "file", "sha256": "cd" * 32},
    "current": {"type": "link", "target": "/opt/abaco/releases/1.0.0"},
    "v2-health": {"answers": False, "status": "none"},
}


def role_for(name: str, facts: Mapping[str, State] = FACTS, **variables: object) -> Role:
    """A role for the example host, all of whose variables have their defaults but for those that are named."""
    roles = sorted(path.parent.name for path in (ROOT / "roles").glob("*/defaults.yml"))
    host = Host(
        "web1",
        "198.18.0.1",
        "example",
        Path("/inventory/example/known_hosts"),
        groups=("example",),
        variables={"abaco_environment": "production", **variables},
    )
    return Role(name, ROOT, resolve(host, declarations(ROOT / "roles", roles)), RUN, RELEASE, facts)


def wanted(case: str) -> tuple[Role, tuple[Step, ...]]:
    name, _, function = case.partition(".")
    role = role_for(name)
    return role, steps_of(role, function or "steps")
