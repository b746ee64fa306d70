"""Phase 4: switch and start. Each file appears by an atomic rename; the order is such that nothing starts half configured."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import file, http, link, probe, unit_files_read, unit_started


def steps(role: Role) -> list[Step]:
    """Unit, config, release, start, readiness, and how long the service was away."""
    this, v1, v2 = role.the_release(), role["abaco_v1_unit"], role["abaco_v2_unit"]
    user, budget = role["abaco_user"], role["cutover_outage_budget_s"]
    return [
        file("activation.unit", f"{role['abaco_unit_dir']}/{v2}", role.render("abaco-pipeline-v2.service.j2")),
        file("activation.config", role["abaco_config"], role.render("pipeline.yml.j2"), group=user, mode="0640"),
        link("activation.release", f"{role['abaco_home']}/current", f"{role['abaco_home']}/releases/{this.id}"),
        unit_files_read("activation.unit-read", [v2]),
        unit_started(
            "activation.v2",
            v2,
            timeout_s=role["abaco_start_s"],
            next=f"V2 did not come up: its last words are above; journalctl -u {v2} has the rest",
        ),
        http(
            "activation.ready",
            role["abaco_v2_health"],
            {"status": 200, "body.ready": True, "body.release": this.id},
            wait_s=role["abaco_start_s"],
            words="wait until V2 says that it is ready, and that it is this release",
            next="V2 runs but is not ready: its answer says why",
        ),
        probe(
            "activation.outage",
            "gap",
            f"the service was away for at most {budget:g} s",
            {"gap_s": {"between": [0, budget]}},
            args={"stopped": v1, "started": v2},
            severity="WARN",
            next="see what the outage consists of in the report",
        ),
    ]
