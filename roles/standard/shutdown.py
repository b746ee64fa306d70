"""Phase 3: stop the old unit, prove it, keep its last state. This snapshot is what a rollback restores."""

from typing import Any

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import snapshot, unit_stopped


def steps(role: RoleContext) -> list[Step]:
    """Stop, then the last snapshot; what has not changed since phase 1 is linked from there, since the outage is running."""
    old = role.service.old
    return [
        unit_stopped(
            "shutdown.old",
            old.unit,
            timeout_s=old.stop_within,
            force=old.force_stop,
            next=f"{role.old} still runs, ended badly or is still enabled: see journalctl -u {old.unit} and systemctl is-enabled"
            f" {old.unit}; where it does not end by itself, force_stop lets it be killed, if that is safe for its data",
        ),
        snapshot(
            "shutdown.last-snapshot",
            f"{role.backup}/final",
            role.run.id,
            last_entries(role),
            reuse=role.backup,
            next=f"check the disk: the last state of {role.old} could not be kept",
        ),
    ]


def last_entries(role: RoleContext) -> list[dict[str, Any]]:
    """The state as the old release left it, its last log, and the state of its unit."""
    unit = role.service.old.unit
    argv = ["journalctl", "--no-pager", "-o", "short-iso-precise", "-n", str(role.service.log_lines), "-u", unit]
    return [
        *(entry.snapshot for entry in role.service.restored),
        {"name": "old-log", "kind": "output", "argv": argv, "as": f"{role.old_name}_final.log"},
        {"name": "old-state", "kind": "unit", "unit": unit},
    ]
