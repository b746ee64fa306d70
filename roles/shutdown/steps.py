"""Phase 3: stop V1, prove it, keep its last state. This snapshot is what a rollback restores."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import snapshot, unit_stopped


def steps(role: Role) -> list[Step]:
    """Stop, then the last snapshot; metrics that have not changed since phase 1 are linked from there, since the outage is running."""
    v1, place = role["abaco_v1_unit"], f"{role['abaco_data']}/.rollback/{role.run.id}"
    lines = str(role["abaco_backup_log_lines"])
    last: list[dict[str, object]] = [
        {"name": "metrics", "kind": "tree", "source": f"{role['abaco_data']}/metrics", "as": "metrics_backup"},
        {
            "name": "v1-log",
            "kind": "output",
            "argv": ["journalctl", "--no-pager", "-o", "short-iso-precise", "-n", lines, "-u", v1],
            "as": "v1_final.log",
        },
        {"name": "v1-state", "kind": "unit", "unit": v1},
    ]
    return [
        unit_stopped(
            "shutdown.v1",
            v1,
            timeout_s=role["abaco_stop_s"],
            force=role["v1_force_stop"],
            next=f"V1 still runs, ended badly or is still enabled: see the values above, journalctl -u {v1} and systemctl is-enabled {v1};"
            " where it does not end by itself, v1_force_stop: true lets it be killed, if that is safe for its data",
        ),
        snapshot(
            "shutdown.last-snapshot",
            f"{place}/final",
            role.run.id,
            last,
            reuse=place,
            next="see the disk: V1's last state could not be kept",
        ),
    ]
