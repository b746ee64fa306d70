"""Every kind of step that a host understands, by name. A new kind is one entry here, and its cases.

They are in tests/unit: test_kinds_*.py, test_snapshots.py, test_restores.py.
"""

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
    users,
)
from cutover.agent.work import Kind

KINDS: dict[str, Kind] = {
    "file": Kind(files.look_file, files.change_file),
    "text": Kind(files.look_text),
    "directory": Kind(files.look_directory, files.change_directory),
    "link": Kind(files.look_link, files.change_link),
    "user": Kind(users.look_user, users.add_user),
    "unit": Kind(units.look_unit, units.change_unit),
    "unit_files": Kind(units.look_unit_files, units.reload_unit_files),
    "resources": Kind(resources.look_resources),
    "snapshot": Kind(snapshots.look_snapshot, snapshots.take_snapshot),
    "rehearsal": Kind(restores.look_rehearsal, restores.rehearse),
    "restore": Kind(restores.look_restored, restores.restore),
    "release": Kind(releases.look_release, releases.unpack),
    "command": Kind(commands.look_result, commands.run_command),
    "result": Kind(commands.look_result),
    "http": Kind(network.look_http, network.wait_for_http),
    "listening": Kind(network.look_listening),
    "connections": Kind(network.look_connections),
    "gap": Kind(outage.look_gap),
    "facts": Kind(system.look_facts),
    "disk": Kind(system.look_disk),
    "clock": Kind(system.look_clock),
    "log_rotation": Kind(system.look_log_rotation),
    "restart_risks": Kind(system.look_restart_risks),
    "writable": Kind(system.look_writable),
}
