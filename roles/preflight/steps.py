"""Phase 0: go or no-go, asked of the host itself. Every line is tried, so that all that is wrong is told at once."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import probe

GB = 10**9
COPIES = 3  # of the metrics, at most: the backup, its rehearsal or the last snapshot, and what V2 leaves


def facts(role: Role) -> list[Step]:
    """What is read before anything is planned. `bind` names what must still be so when the plan is applied."""

    def fact(name: str, kind: str, words: str, bind: list[str], **args: object) -> Step:
        return probe(name, kind, words, {}, args={**args, "bind": bind})

    unit = ["active", "enabled", "file", "files_sha256"]
    return [
        fact("host", "facts", "the host", ["machine", "python", "os"]),
        fact("v1", "unit", "V1's unit", [*unit, "stop_timeout_s"], unit=role["abaco_v1_unit"]),
        fact("v2", "unit", "V2's unit", unit, unit=role["abaco_v2_unit"]),
        fact("config", "file", "the config in service", ["type", "sha256"], path=role["abaco_config"]),
        fact("current", "link", "the release in service", ["type", "target"], path=f"{role['abaco_home']}/current"),
        fact("v2-health", "http", "V2's answer", [], url=role["abaco_v2_health"], wait_s=0),
    ]


def already(role: Role) -> bool:
    """Whether the host runs this release of V2 already, healthy, with V1 out of service: then there is nothing to do."""
    seen, release = role.facts, role.the_release()
    body = seen["v2-health"].get("body")
    return (
        seen["v2"].get("active") == "active"
        and seen["v2"].get("enabled") == "enabled"
        and seen["v1"].get("active") != "active"
        and seen["v1"].get("enabled") != "enabled"  # else both would be started by the next boot
        and seen["current"].get("target") == f"{role['abaco_home']}/releases/{release.id}"
        and isinstance(body, dict)
        and body.get("ready") is True
        and body.get("release") == release.id
    )


def steps(role: Role) -> list[Step]:
    """What must hold before V1 may be touched."""
    return [
        *_host(role),
        *_v1(role),
        *_v2(role),
        *_files(role),
        *_stopping(role),
        *_connections(role),
        *_surroundings(role),
    ]


def _host(role: Role) -> list[Step]:
    """The release runs on this host; its disks have room."""
    release = role.the_release()
    return [
        probe(
            "preflight.host",
            "facts",
            "systemd runs the host, and its Python and architecture are those of the release",
            {"pid_1": "systemd", "python_minor": release.python, "machine": release.machine},
            next="build a release for this host's Python and architecture, or take the host out with --limit",
        ),
        *_disks(role),
        _clock(role),
    ]


def _disks(role: Role) -> list[Step]:
    """Room for what a cutover writes, and for copies of what V1 has written."""
    need = int(role["abaco_disk_free_gb"] * GB)
    places = {"data": role["abaco_data"], "releases": role["abaco_home"], "state": role["cutover_state_dir"]}
    return [
        *(
            probe(
                f"preflight.disk-{name}",
                "disk",
                f"at least {role['abaco_disk_free_gb']:g} GB free and writable for {name} ({path})",
                {"free_bytes": {"at_least": need}, "free_inodes": {"at_least": 20_000}, "read_only": False},
                args={"path": path},
                next=f"make room on the file system of {path}, or mount a larger one there",
            )
            for name, path in places.items()
        ),
        probe(
            "preflight.disk-backup",
            "disk",
            f"room for {COPIES} copies of the metrics, so that a backup never fills V1's disk",
            {"left_bytes": {"at_least": 0}, "left_inodes": {"at_least": 0}},
            args={
                "path": f"{role['abaco_data']}/.rollback",
                "room_for": f"{role['abaco_data']}/metrics",
                "times": COPIES,
            },
            next=f"make room on the file system of {role['abaco_data']}: old backups in .rollback, metrics that can be archived",
        ),
    ]


def _clock(role: Role) -> Step:
    """Audit trails and time lines of two machines that do not agree are no evidence."""
    offset = role["abaco_clock_offset_s"]
    return probe(
        "preflight.clock",
        "clock",
        f"the host's clock is within {offset:g} s of the controller's",
        {"offset_s": {"between": [-offset, offset]}},
        next="set the clocks by NTP, on the host and here",
    )


def _v1(role: Role) -> list[Step]:
    """V1 is in service, by its unit and by its own word."""
    v1 = role["abaco_v1_unit"]
    return [
        probe(
            "preflight.v1-installed",
            "unit",
            f"{v1} is installed and its unit file has been read",
            {"load": "loaded", "need_daemon_reload": False},
            args={"unit": v1},
            next="this host has no V1 to take over from: check the unit's name (abaco_v1_unit) and the pattern",
        ),
        probe(
            "preflight.v1-in-service",
            "unit",
            f"{v1} is running and enabled",
            {"active": "active", "sub": "running", "enabled": "enabled"},
            args={"unit": v1},
            next=f"bring V1 into service first (systemctl status {v1}), or find out who stopped it",
        ),
        probe(
            "preflight.v1-healthy",
            "http",
            "V1 says that it is well",
            {"answers": True, "status": 200},
            args={"url": role["abaco_v1_health"], "wait_s": 0},
            next="a backup of a sick V1 is no way back: see its journal",
        ),
    ]


def _v2(role: Role) -> list[Step]:
    """V2 is not in service, would not come by a boot, and finds its port free."""
    v2 = role["abaco_v2_unit"]
    return [
        probe(
            "preflight.v2-not-in-service",
            "unit",
            f"{v2} is not running, and would not be started by a boot",
            {"active": {"one_of": ["inactive", "failed"]}, "enabled": {"one_of": ["disabled", "absent"]}},
            args={"unit": v2},
            next="another V2 is in service here, or a reboot would start one beside V1: `./invokew rollback` takes back what a run"
            f" has left; else, once nobody needs it, `systemctl disable --now {v2}` on the host",
        ),
        probe(
            "preflight.port-free",
            "listening",
            f"port {role['abaco_v2_port']} is free for V2",
            {"listening": False},
            args={"address": "127.0.0.1", "port": role["abaco_v2_port"]},
            next="see who listens there (ss -tlnp), or set abaco_v2_port",
        ),
    ]


def _files(role: Role) -> list[Step]:
    """What V1 works from is where the variables say."""
    return [
        probe(
            "preflight.config",
            "file",
            f"V1's config {role['abaco_config']} is there",
            {"type": "file"},
            args={"path": role["abaco_config"]},
            next="V1 must run from the file that V2's config will replace: set abaco_config",
        ),
        probe(
            "preflight.data",
            "directory",
            f"the data directory {role['abaco_data']} is there",
            {"type": "directory"},
            args={"path": role["abaco_data"]},
            next="set abaco_data to the directory that V1 works in",
        ),
    ]


def _stopping(role: Role) -> list[Step]:
    """How long systemd lets V1 stop before it kills it, which nobody can take back once V1 was asked to stop."""
    if role["v1_force_stop"]:
        return []  # it may be killed
    v1, stop, budget = role["abaco_v1_unit"], role["abaco_stop_s"], role["cutover_rollback_budget_s"]
    most = max(0, budget - role["abaco_v1_start_s"] - role["abaco_v2_stop_s"])
    return [
        probe(
            "preflight.v1-not-killed",
            "unit",
            f"systemd gives V1 the {stop:g} s that we wait for it to stop; it kills V1 later, if V1 is still there then",
            {"stop_timeout_s": {"at_least": stop}},
            args={"unit": v1},
            next="systemd would kill V1, and v1_force_stop is false: raise its TimeoutStopSec, lower abaco_stop_s, or allow force",
        ),
        probe(
            "preflight.v1-ends",
            "unit",
            f"a V1 that does not stop is ended by systemd within {most:g} s, in time for the way back to start it again",
            {"stop_timeout_s": {"at_most": most}},
            args={"unit": v1},
            severity="WARN",
            next="the way back cannot wait that long (10^9 s: no limit): set its TimeoutStopSec, or raise cutover_rollback_budget_s",
        ),
    ]


def _connections(role: Role) -> list[Step]:
    """What the pipeline needs to reach. What nobody has said is told; that it is nothing is the inventory's word, and shown as that."""
    targets, said = role["abaco_connections"], role.variables.is_set("abaco_connections")
    about = f"({len(targets)} addresses)" if targets else "(not asked: abaco_connections does not say what that is)"
    if said and not targets:
        about = "(not asked: nothing, says the inventory, abaco_connections: [])"
    return [
        probe(
            "preflight.connections",
            "connections",
            f"the host reaches what the pipeline needs {about}",
            {"unreachable": {}, "tried": len(targets) if said else {"at_least": 1}},
            args={"targets": targets},
            severity="FAIL" if said else "WARN",
            next="open the way from this host to what is named, or correct abaco_connections; where it was never set, name there"
            " what the pipeline must reach, or write [] if that is nothing",
        ),
    ]


def _surroundings(role: Role) -> list[Step]:
    return [
        probe(
            "preflight.backup-storage",
            "writable",
            f"backups can be written below {role['abaco_data']}",
            {"writable": True},
            args={"path": f"{role['abaco_data']}/.rollback"},
            next="see the file system: mounted read-only, full, or broken",
        ),
        probe(
            "preflight.log-rotation",
            "log_rotation",
            "logs cannot grow without bound",
            {"journald": "active", "unrotated": []},
            args={"files": role["abaco_log_files"]},
            severity="WARN",
            next="add a logrotate rule for each file that is named",
        ),
        probe(
            "preflight.clock-kept",
            "clock",
            "the host keeps its clock by NTP",
            {"synchronized": True},
            severity="WARN",
            next="enable systemd-timesyncd or chrony: audit trails and time lines depend on it",
        ),
        probe(
            "preflight.restart-risks",
            "restart_risks",
            "nothing restarts services behind our back",
            {"risks": []},
            severity="WARN",
            next="pause unattended upgrades and needrestart for the time of the cutover and the watch",
        ),
    ]
