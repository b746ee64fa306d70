"""Every kind of step that a host understands, by name. A new one is an entry here, and its cases in tests/agent/test_modules_*.py."""

from __future__ import annotations

from cutover.agent.modules import (
    commands,
    files,
    network,
    outage,
    releases,
    resources,
    restores,
    snapshots,
    system,
    units,
)
from cutover.agent.work import Module

MODULES: dict[str, Module] = {
    "file": Module(files.look, files.change, files.tidy),
    "text": Module(files.look_text),
    "directory": Module(files.look, files.change),
    "link": Module(files.look, files.change, files.tidy),
    "user": Module(system.look_user, system.add_user),
    "unit": Module(units.look_unit, units.change_unit),
    "unit_files": Module(units.look_unit_files, units.reload_unit_files),
    "resources": Module(resources.look_resources),
    "snapshot": Module(snapshots.look_snapshot, snapshots.take_snapshot),
    "rehearsal": Module(restores.look_rehearsal, restores.rehearse),
    "restore": Module(restores.look_restored, restores.restore, restores.tidy),
    "release": Module(releases.look_release, releases.unpack),
    "command": Module(commands.look_result, commands.run_command),
    "http": Module(network.look_http, network.wait_for_http),
    "connections": Module(network.look_connections),
    "gap": Module(outage.look_gap),
    "facts": Module(system.look_facts),
    "disk": Module(system.look_disk),
    "clock": Module(system.look_clock),
    "log_rotation": Module(system.look_log_rotation),
    "restart_risks": Module(system.look_restart_risks),
    "writable": Module(system.look_writable),
}
