"""Phase 3, asked again: the old unit has ended, stays so, and its last state is kept."""

import re
from typing import Any

from cutover.agent.state_dir import revert_unit
from cutover.plan.plan import HostPlan


def test_old_unit_is_stopped(host: Any, wanted: HostPlan) -> None:
    """The old unit has no process, ended by itself, and would not come back. If not: see what it is busy with before it is killed."""
    asked = "systemctl show -p ActiveState,MainPID,Result,UnitFileState %s"
    shown = host.check_output(asked, wanted.service.old.unit)
    state = dict(line.split("=", 1) for line in shown.splitlines())
    forced = wanted.service.old.force_stop
    assert state["MainPID"] == "0", state
    assert state["ActiveState"] == "inactive" or (forced and state["ActiveState"] == "failed"), state
    assert state["Result"] == "success" or forced, state
    assert state["UnitFileState"] in ("disabled", ""), state


def test_no_process_of_the_old_release_is_left(host: Any, wanted: HostPlan) -> None:
    """No process on the host was started from the old release. If not: somebody runs it by hand beside its unit."""
    if not wanted.service.current:
        return  # the old release has no directory of its own; its unit is proven stopped
    current = wanted.facts["current"]
    kind = current.get("type")
    assert kind == "link", f"{wanted.service.current} was {kind} at planning, expected a link"
    left = host.run("pgrep -f %s", f"^[^ ]*python[^ ]* .*{re.escape(str(current['target']))}/")
    assert left.exit_status == 1, f"processes {left.stdout.split()} run from {current['target']}"


def test_its_last_state_is_kept(host: Any, wanted: HostPlan) -> None:
    """The last snapshot is there, and the final log has lines of the old unit's journal. If not: check the disk and journald."""
    step = next(step for step in wanted.steps["shutdown"] if step.kind == "snapshot")
    directory, log = step.args["directory"], next(one["as"] for one in step.args["entries"] if one["name"] == "old-log")
    assert host.file(f"{directory}/manifest.json").is_file
    _command, ended, *lines = host.file(f"{directory}/{log}").content_string.splitlines()
    assert ended.startswith("(exit 0, "), ended
    # journalctl's own remarks, such as `-- No entries --`, are not lines of the unit.
    assert any(re.match(r"\d{4}-\d\d-\d\dT", line) for line in lines), f"no journal line of the old unit: {lines[:3]}"


def test_the_host_would_go_back_by_itself(host: Any, wanted: HostPlan) -> None:
    """The host's own revert is armed and survives a reboot. If not: the host would stay without service if the controller died."""
    timer = f"{revert_unit(wanted.variables['cutover_state_dir'])}.timer"
    assert host.run("systemctl is-active --quiet %s", timer).succeeded
    assert host.run("systemctl is-enabled --quiet %s", timer).succeeded
    assert host.file(f"{wanted.variables['cutover_state_dir']}/armed.json").is_file
