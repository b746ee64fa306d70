"""Phase 4, asked again: the new unit runs the planned release with the planned files, would come back after a reboot, and is healthy."""

import json
from typing import Any

from cutover.plan.plan import HostPlan


def test_new_unit_runs_and_is_enabled(host: Any, wanted: HostPlan) -> None:
    """The new unit runs, has not been restarted, and would come back after a reboot. If not: see journalctl -u of the unit."""
    unit = wanted.service.new.unit
    shown = host.check_output("systemctl show -p ActiveState,SubState,UnitFileState,NRestarts %s", unit)
    state = dict(line.split("=", 1) for line in shown.splitlines())
    assert state == {"ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "NRestarts": "0"}


def test_it_runs_from_the_planned_release(host: Any, wanted: HostPlan) -> None:
    """The running process was started from the planned release, and `current` points there. If not: another release runs."""
    if not wanted.service.current:
        return  # the release is its unit and files, which are checked by themselves
    release = next(step for step in wanted.steps["activation"] if step.id == "activation.release").desired["target"]
    pid = host.check_output("systemctl show -p MainPID --value %s", wanted.service.new.unit)
    environment = host.check_output("tr '\\0' '\\n' < /proc/%s/environ; tr '\\0' ' ' < /proc/%s/cmdline", pid, pid)
    assert release in environment, f"process {pid} does not name {release}"
    assert host.check_output("readlink %s", wanted.service.current) == release


def test_files_are_the_planned_ones(host: Any, wanted: HostPlan) -> None:
    """The files in place are the planned ones, byte for byte. If not: somebody changed them after the switch."""
    for step in wanted.steps["activation"]:
        if step.content:
            assert host.file(step.args["path"]).sha256sum == step.content, step.args["path"]


# Run on the host: the status and the body of a URL, also where the status is an error.
ASK = """
import json, sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode(errors="replace")]))
"""


def test_new_unit_is_healthy(host: Any, wanted: HostPlan) -> None:
    """The new unit's health check answers as it must. If not: its answer says what is wrong."""
    health = wanted.service.new.health
    if health is None:
        return  # service.yml names no health check; the unit is checked by itself
    status, body = json.loads(host.check_output("python3 -I -c %s %s", ASK, health.url))
    assert status == health.status, f"status {status}, expected {health.status}: {body[:500]}"
    found = json.loads(body) if health.expect else {}
    assert {key: found.get(key) for key in health.expect} == health.expect


def test_old_unit_stays_stopped(host: Any, wanted: HostPlan) -> None:
    """The old unit is stopped and disabled. If not: two releases would write at once; stop one."""
    unit = wanted.service.old.unit
    shown = host.check_output("systemctl show -p MainPID,UnitFileState %s", unit)
    assert dict(line.split("=", 1) for line in shown.splitlines()) == {"MainPID": "0", "UnitFileState": "disabled"}
