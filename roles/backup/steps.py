"""Phase 1: snapshot the running V1, prove that it can be restored, prove that it is not V2's."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import directory, rehearsal, snapshot


def steps(role: Role) -> list[Step]:
    """The backup of this run. It is refused when its config is V2's: then V2 was there before the backup."""
    place = f"{role['abaco_data']}/.rollback"
    v2_config = role.render("pipeline.yml.j2")
    return [
        directory("backup.place", place, mode="0700"),
        snapshot(
            "backup.snapshot",
            f"{place}/{role.run.id}",
            role.run.id,
            entries(role),
            differs={"config": v2_config},
            next="a backup that does not verify, or that equals V2's config, is no way back: see what changed the files while it was taken",
        ),
        rehearsal(
            "backup.rehearsal",
            f"{place}/{role.run.id}",
            role.run.id,
            next="something changed V1's config or units during the backup: find out what, then plan again",
        ),
    ]


def entries(role: Role) -> list[dict[str, object]]:
    """What is backed up, by name. What is not there is recorded as absent, and a restore makes it absent again."""
    v1, v2, units = role["abaco_v1_unit"], role["abaco_v2_unit"], role["abaco_unit_dir"]
    v1_file = role.facts["v1"].get("file") or f"{units}/{v1}"
    lines = str(role["abaco_backup_log_lines"])
    return [
        {
            "name": "config",
            "kind": "file",
            "source": role["abaco_config"],
            "as": f"pipeline_backup_{role.run.stamp}.yml",
        },
        {"name": "v1-unit", "kind": "file", "source": v1_file, "as": f"units/{v1}"},
        {"name": "v1-drop-ins", "kind": "tree", "source": f"{units}/{v1}.d", "as": f"units/{v1}.d"},
        {"name": "v2-unit", "kind": "file", "source": f"{units}/{v2}", "as": f"units/{v2}"},
        {"name": "release", "kind": "link", "source": f"{role['abaco_home']}/current"},
        {"name": "metrics", "kind": "tree", "source": f"{role['abaco_data']}/metrics", "as": "metrics_backup"},
        {"name": "v1-state", "kind": "unit", "unit": v1},
        {
            "name": "v1-status",
            "kind": "output",
            "argv": ["systemctl", "--no-pager", "--full", "-n", lines, "status", v1],
            "as": "v1_status_before.log",
        },
    ]
