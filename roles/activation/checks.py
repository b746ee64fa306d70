"""Phase 4, asked again: V2 runs from the planned release and config, would come back after a reboot, and says that it is well."""

import json
from typing import Any

from cutover.plan.plan import HostPlan


def planned(wanted: HostPlan, step_id: str) -> Any:
    """A step of this phase."""
    return next(step for step in wanted.steps["activation"] if step.id == step_id)


def test_v2_runs_and_is_enabled(host: Any, wanted: HostPlan) -> None:
    """V2 runs, has not been restarted, and would come back after a reboot. If not: journalctl -u of its unit says why."""
    shown = host.check_output(
        "systemctl show -p ActiveState,SubState,UnitFileState,NRestarts %s", wanted.variables["abaco_v2_unit"]
    )
    state = dict(line.split("=", 1) for line in shown.splitlines())
    assert state == {"ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "NRestarts": "0"}


def test_it_runs_from_the_planned_release(host: Any, wanted: HostPlan) -> None:
    """The running process was started from the planned release, and current points there. If not: another release runs."""
    release = planned(wanted, "activation.release").desired["target"]
    pid = host.check_output("systemctl show -p MainPID --value %s", wanted.variables["abaco_v2_unit"])
    environment = host.check_output("tr '\\0' '\\n' < /proc/%s/environ; tr '\\0' ' ' < /proc/%s/cmdline", pid, pid)
    assert release in environment, f"process {pid} does not name {release}"
    assert host.check_output("readlink %s/current", wanted.variables["abaco_home"]) == release


def test_the_config_is_the_planned_one(host: Any, wanted: HostPlan) -> None:
    """The config in place is the planned one, byte for byte. If not: somebody changed it after the switch."""
    assert host.file(wanted.variables["abaco_config"]).sha256sum == planned(wanted, "activation.config").content


def test_v2_says_that_it_is_well(host: Any, wanted: HostPlan) -> None:
    """V2 answers on its port that it is ready. If not: its answer says what is wrong."""
    url = planned(wanted, "activation.ready").args["url"]
    script = (
        "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
    )
    answer = json.loads(host.check_output("python3 -I -c %s %s", script, url))
    assert answer["ready"] is True, answer


def test_v1_stays_stopped(host: Any, wanted: HostPlan) -> None:
    """V1 is stopped and disabled. If not: two versions would write at once; stop one."""
    unit = wanted.variables["abaco_v1_unit"]
    shown = host.check_output("systemctl show -p MainPID,UnitFileState %s", unit)
    assert dict(line.split("=", 1) for line in shown.splitlines()) == {"MainPID": "0", "UnitFileState": "disabled"}
