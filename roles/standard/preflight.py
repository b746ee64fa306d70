"""Phase 0: go or no-go, asked of the host itself. Every line is tried, so that everything that is wrong is reported at once."""

from cutover.agent.compare import differences
from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.service import PythonArtifact
from cutover.plan.steps import http, probe

GB = 10**9
COPIES = 3  # of the state, at most: the backup, its rehearsal or the last snapshot, and what the new release leaves


def facts(role: RoleContext) -> list[Step]:
    """What is read before anything is planned. `bind` names what must still be so when the plan is applied."""
    service = role.service

    def fact(name: str, kind: str, words: str, bind: list[str], **args: object) -> Step:
        return probe(name, kind, words, {}, args={**args, "bind": bind})

    unit = ["active", "enabled", "file", "files_sha256"]
    found = [
        fact("host", "facts", "host", ["machine", "python", "os"]),
        fact("old", "unit", f"unit of {role.old}", [*unit, "stop_timeout_s"], unit=service.old.unit),
        fact("new", "unit", f"unit of {role.new}", unit, unit=service.new.unit),
        *(
            fact(f"file-{file.name}", "file", f"{file.path} in service", ["type", "sha256"], path=file.path)
            for file in service.files
        ),
    ]
    if service.current:
        found.append(fact("current", "link", "release in service", ["type", "target"], path=service.current))
    if service.new.health:
        args = {"url": service.new.health.url, "wait_s": 0}
        found.append(fact("new-health", "http", f"health of {role.new}", [], **args))
    return found


def already(role: RoleContext) -> bool:
    """Whether the host runs this release already, healthy, with the old unit out of service: then there is nothing to do."""
    seen, service = role.facts, role.service
    if seen["new"].get("active") != "active" or seen["new"].get("enabled") != "enabled":
        return False
    if seen["old"].get("active") == "active" or seen["old"].get("enabled") == "enabled":
        return False  # else both would be started by the next boot
    if service.new.health and differences(seen["new-health"], role.healthy):
        return False
    if service.current:
        return bool(seen["current"].get("target") == role.release_path)
    # Without an artifact the release is its files.
    return all(seen[f"file-{file.name}"].get("sha256") == role.render(file.template) for file in service.files)


def steps(role: RoleContext) -> list[Step]:
    """What must hold before the old unit may be touched."""
    groups = (_host, _disks, _old, _stopping, _new, _files, _surroundings)
    return [step for group in groups for step in group(role)]


def _host(role: RoleContext) -> list[Step]:
    """The release runs on this host, and its clock is right."""
    release, desired = role.release, {"pid_1": "systemd"}
    if isinstance(role.service.artifact, PythonArtifact):
        desired |= {"python_minor": release.python, "machine": release.machine}
    offset = role.service.needs.clock_offset_s
    return [
        probe(
            "preflight.host",
            "facts",
            "host: systemd, Python and architecture",
            desired,
            next="build a release for this host's Python and architecture, or exclude the host with --limit",
        ),
        probe(
            "preflight.clock",
            "clock",
            f"clock offset from the controller (at most {offset:g} s)",
            {"offset_s": {"between": [-offset, offset]}},
            next="synchronize the clocks by NTP, on the host and on the controller",
        ),
    ]


def _disks(role: RoleContext) -> list[Step]:
    """Room for what a cutover writes, and for copies of what the service has written."""
    needs = role.service.needs
    need, paths = int(needs.disk_gb * GB), dict.fromkeys((*needs.directories, role.state_dir))
    state = [entry.path for entry in role.service.state]
    return [
        *(
            probe(
                f"preflight.disk{path.replace('/', '-')}",
                "disk",
                f"free disk space for {path} (at least {needs.disk_gb:g} GB)",
                {"free_bytes": {"at_least": need}, "free_inodes": {"at_least": 20_000}, "read_only": False},
                args={"path": path},
                next=f"free space on the file system of {path}, or mount a larger one there",
            )
            for path in paths
        ),
        *(
            probe(
                f"preflight.disk-backup{path.replace('/', '-')}",
                "disk",
                f"free disk space for {COPIES} copies of {path}",
                {"left_bytes": {"at_least": 0}, "left_inodes": {"at_least": 0}},
                args={"path": f"{role.state_dir}/.rollback", "room_for": path, "times": COPIES},
                next=f"free space on the file system of {role.state_dir}: old backups in .rollback, or archive a part of {path}",
            )
            for path in state
        ),
    ]


def _old(role: RoleContext) -> list[Step]:
    """The old release is in service, by its unit and by its own word."""
    old = role.service.old
    found = [
        probe(
            "preflight.old-in-service",
            "unit",
            f"state of {old.unit}",
            {"load": "loaded", "need_daemon_reload": False, "active": "active", "sub": "running", "enabled": "enabled"},
            args={"unit": old.unit},
            next=f"this host has no {role.old} in service: see systemctl status {old.unit}, or correct the unit's name (from.unit)"
            " or the pattern",
        ),
    ]
    if old.health:
        found.append(
            http(
                "preflight.old-healthy",
                old.health.url,
                old.health.answer,
                wait_s=0,
                words=f"health of {role.old} at {old.health.url}",
                unit=old.unit,
                probe=True,
                next=f"a rollback to an unhealthy {role.old} helps nobody: see journalctl -u {old.unit}",
            )
        )
    return found


def _new(role: RoleContext) -> list[Step]:
    """The new release is not in service, would not be started by a boot, and finds its ports free."""
    unit = role.service.new.unit
    return [
        probe(
            "preflight.new-not-in-service",
            "unit",
            f"state of {unit}",
            {"active": {"one_of": ["inactive", "failed"]}, "enabled": {"one_of": ["disabled", "absent"]}},
            args={"unit": unit},
            next=f"another {role.new} is in service here, or a reboot would start one beside {role.old}: `./invokew rollback`"
            f" undoes what a run has left; else, once nobody needs it, `systemctl disable --now {unit}` on the host",
        ),
        *(
            probe(
                f"preflight.port-{port}",
                "connections",
                f"port {port}",
                {"reached": []},
                args={"targets": [f"127.0.0.1:{port}"]},
                next=f"another process listens on port {port} (ss -tlnp): stop it, or configure another port",
            )
            for port in role.service.needs.ports
        ),
    ]


def _files(role: RoleContext) -> list[Step]:
    """What the service works from is where service.yml says."""
    return [
        *(
            probe(
                f"preflight.file-{file.name}",
                "file",
                f"{file.path} of {role.old}",
                {"type": "file"},
                args={"path": file.path},
                next=f"{role.old} must run from the file that {role.new}'s will replace: correct `files` in service.yml",
            )
            for file in role.service.files
        ),
        *(
            probe(
                f"preflight.directory{path.replace('/', '-')}",
                "directory",
                f"directory {path}",
                {"type": "directory"},
                args={"path": path},
                next="name the directory that the service works in (`needs.directories`, `state` in service.yml)",
            )
            for path in dict.fromkeys((*role.service.needs.directories, *(entry.path for entry in role.service.state)))
        ),
    ]


def _stopping(role: RoleContext) -> list[Step]:
    """How long systemd lets the old unit stop before it kills it, which nobody can undo once it was asked to stop."""
    old, budget = role.service.old, role["cutover_rollback_budget_s"]
    if old.force_stop:
        return []  # it may be killed
    start = old.health.within if old.health else 0.0
    most = max(0, budget - start - role.service.new.stop_within)
    return [
        probe(
            "preflight.old-not-killed",
            "unit",
            f"TimeoutStopSec of {old.unit} (at least the {old.stop_within:g} s that the run waits)",
            {"stop_timeout_s": {"at_least": old.stop_within}},
            args={"unit": old.unit},
            next=f"systemd would kill {role.old}, and force_stop is false: raise TimeoutStopSec, lower stop_within, or allow force",
        ),
        probe(
            "preflight.old-ends",
            "unit",
            f"TimeoutStopSec of {old.unit} (at most {most:g} s, so that a rollback can start it again in time)",
            {"stop_timeout_s": {"at_most": most}},
            args={"unit": old.unit},
            severity="WARN",
            next="a rollback cannot wait that long (10^9 s: no limit): lower TimeoutStopSec, or raise cutover_rollback_budget_s",
        ),
    ]


def _surroundings(role: RoleContext) -> list[Step]:
    """What the service and the run need around them. That nobody has said what it must reach is a warning; [] says that it is nothing."""
    targets = role.service.needs.connections
    about = "not declared" if targets is None else f"{len(targets)} addresses" if targets else "none declared"
    return [
        probe(
            "preflight.connections",
            "connections",
            f"connections that the service needs ({about})",
            {"unreachable": {}, "tried": {"at_least": 1} if targets is None else len(targets)},
            args={"targets": list(targets or ())},
            severity="WARN" if targets is None else "FAIL",
            next="open the way from this host to these addresses, or correct `needs.connections`; [] says that there are none",
        ),
        probe(
            "preflight.backup-storage",
            "writable",
            f"backup directory below {role.state_dir}",
            {"writable": True},
            args={"path": f"{role.state_dir}/.rollback"},
            next="check the file system: mounted read-only, full, or broken",
        ),
        probe(
            "preflight.log-rotation",
            "log_rotation",
            "log rotation",
            {"journald": "active", "unrotated": []},
            args={"files": list(role.service.needs.log_files)},
            severity="WARN",
            next="add a logrotate rule for each file that is named",
        ),
        probe(
            "preflight.clock-kept",
            "clock",
            "NTP synchronization",
            {"synchronized": True},
            severity="WARN",
            next="enable systemd-timesyncd or chrony: audit trails and timelines depend on it",
        ),
        probe(
            "preflight.restart-risks",
            "restart_risks",
            "services that restart others by themselves",
            {"risks": []},
            severity="WARN",
            next="pause unattended upgrades and needrestart during the cutover and the watch",
        ),
    ]
