"""Phase 1: snapshot the running old release, prove that it can be restored, prove that it is not the new one's."""

from pathlib import Path
from typing import Any

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import directory, rehearsal, snapshot


def steps(role: RoleContext) -> list[Step]:
    """The backup of this run. It is refused where its files are the new release's: then that was there before the backup."""
    return [
        directory("backup.place", str(Path(role.backup).parent), mode="0700"),
        snapshot(
            "backup.snapshot",
            role.backup,
            role.run.id,
            entries(role),
            differs={file.name: role.render(file.template) for file in role.service.files},
            next=f"a backup that does not verify, or that equals what {role.new} brings, cannot be restored: see what changed the files"
            " while it was taken",
        ),
        rehearsal(
            "backup.rehearsal",
            role.backup,
            role.run.id,
            next=f"something changed files or units of {role.old} during the backup: find out what, then plan again",
        ),
    ]


def entries(role: RoleContext) -> list[dict[str, Any]]:
    """What is backed up, by name. What is not there is recorded as absent, and a restore makes it absent again."""
    service, old = role.service, role.service.old.unit
    argv = ["systemctl", "--no-pager", "--full", "-n", str(service.log_lines), "status", old]
    return [
        *role.files_and_units,
        *(entry.snapshot for entry in service.restored),
        {"name": "old-state", "kind": "unit", "unit": old},
        {"name": "old-status", "kind": "output", "argv": argv, "as": f"{role.old_name}_status_before.log"},
    ]
