"""The eleven operations as steps: each looks, compares, changes, looks again."""

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import directory, file, http, probe, snapshot, unit_files_read, unit_started, unit_stopped

V1, V2, CONFIG, PLACE = "toy-v1.service", "toy-v2.service", "/etc/toy/config.json", "/var/lib/toy/backup"


def job(role: RoleContext) -> list[Step]:
    """From V1 in service to V2 answering."""
    backup = [{"name": "config", "kind": "file", "source": CONFIG, "as": "config.json"}]
    unit, config = role.render("toy-v2.service.j2"), role.render("config.json.j2")
    return [
        probe("toy.v1", "unit", "V1 is running", {"active": "active"}, args={"unit": V1}),
        probe("toy.python", "facts", "the host's Python", {"pid_1": "systemd"}),
        probe("toy.stat", "file", "the config is there", {"type": "file"}, args={"path": CONFIG}),
        directory("toy.place", PLACE),
        snapshot("toy.backup", f"{PLACE}/{role.run.id}", role.run.id, backup, differs={"config": config}),
        file("toy.unit", f"/etc/systemd/system/{V2}", unit),
        unit_stopped("toy.stop", V1, timeout_s=10),
        file("toy.config", CONFIG, config),
        unit_files_read("toy.read", [V2]),
        unit_started("toy.start", V2, timeout_s=10, enable=None),
        probe("toy.v2", "unit", "V2 is running", {"active": "active"}, args={"unit": V2}),
        http("toy.ready", "http://127.0.0.1:8001/", {"status": 200, "body.mark": role["toy_mark"]}, wait_s=10),
    ]
