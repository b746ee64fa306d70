"""Phase 3, asked again: V1 is gone, stays gone, and its last state is kept."""

import re
from typing import Any

from cutover.agent.revert import revert_unit
from cutover.plan.plan import HostPlan


def v1_release(wanted: HostPlan) -> str:
    """Where `current` led when the plan was made: V1's release."""
    current, path = wanted.facts["current"], f"{wanted.variables['abaco_home']}/current"
    found = current.get("type", "unknown")
    assert found == "link", (
        f"{path} was no link when the plan was made ({found}): link it to V1's release, then plan again"
    )
    return str(current["target"])


def test_v1_is_stopped(host: Any, wanted: HostPlan) -> None:
    """Systemd has no process of V1 any more, and it ended by itself. If not: see what it is busy with before it is killed."""
    shown = host.check_output("systemctl show -p ActiveState,MainPID,Result %s", wanted.variables["abaco_v1_unit"])
    state = dict(line.split("=", 1) for line in shown.splitlines())
    forced = wanted.variables["v1_force_stop"]
    assert state["MainPID"] == "0", state
    assert state["ActiveState"] == "inactive" or (forced and state["ActiveState"] == "failed"), state
    assert state["Result"] == "success" or forced, state


def test_no_process_of_v1_is_left(host: Any, wanted: HostPlan) -> None:
    """No process on the host was started from V1's release. If not: somebody runs V1 by hand beside its unit."""
    target = v1_release(wanted)
    left = host.run("pgrep -f %s", f"^[^ ]*python[^ ]* .*{re.escape(target)}/")
    assert left.exit_status == 1, f"processes {left.stdout.split()} run from {target}"


def test_v1_would_not_come_back(host: Any, wanted: HostPlan) -> None:
    """V1 is disabled: a reboot does not bring it back beside V2. If not: disable it."""
    assert host.run("systemctl is-enabled %s", wanted.variables["abaco_v1_unit"]).stdout.strip() in (
        "disabled",
        "not-found",
    )


def test_its_last_state_is_kept(host: Any, wanted: HostPlan) -> None:
    """The last snapshot is there, and V1's final log has lines of its journal. If not: see the disk and journald."""
    directory = next(step.args["directory"] for step in wanted.steps["shutdown"] if step.kind == "snapshot")
    assert host.file(f"{directory}/manifest.json").is_file
    _command, ended, *lines = host.file(f"{directory}/v1_final.log").content_string.splitlines()
    assert ended.startswith("(exit 0, "), ended
    # journalctl's own remarks, such as `-- No entries --`, are no lines of V1.
    assert any(re.match(r"\d{4}-\d\d-\d\dT", line) for line in lines), f"no journal line of V1: {lines[:3]}"


def test_the_host_would_go_back_by_itself(host: Any, wanted: HostPlan) -> None:
    """The host's own revert is armed and survives a reboot. If not: the host would stay without service if the controller died."""
    timer = f"{revert_unit(wanted.variables['cutover_state_dir'])}.timer"
    assert host.run("systemctl is-active --quiet %s", timer).succeeded
    assert host.run("systemctl is-enabled --quiet %s", timer).succeeded
    assert host.file(f"{wanted.variables['cutover_state_dir']}/armed.json").is_file
