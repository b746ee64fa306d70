"""Phase 4: switch and start. Each file appears by an atomic rename; the order is such that nothing starts half configured."""

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import file, http, link, probe, unit_files_read, unit_started


def steps(role: RoleContext) -> list[Step]:
    """Unit, files, release, start, readiness, and how long the service was unavailable."""
    service, budget = role.service, role["cutover_outage_budget_s"]
    new, unit_file = service.new, f"{service.unit_dir}/{service.new.unit}"
    within = new.health.within if new.health else 30.0
    return [
        *([file("activation.unit", unit_file, role.render(new.unit_template))] if new.unit_template else []),
        *(
            file(
                f"activation.file-{one.name}",
                one.path,
                role.render(one.template),
                owner=one.owner,
                group=one.group,
                mode=one.mode,
            )
            for one in service.files
        ),
        *([link("activation.release", service.current, role.release_path)] if service.current else []),
        unit_files_read("activation.unit-read", [new.unit]),
        unit_started(
            "activation.new",
            new.unit,
            timeout_s=within,
            next=f"{role.new} did not start: its last words are above; journalctl -u {new.unit} has the rest",
        ),
        *ready(role, "activation.ready", within),
        probe(
            "activation.outage",
            "gap",
            f"outage (at most {budget:g} s)",
            {"gap_s": {"between": [0, budget]}},
            args={"stopped": service.old.unit, "started": new.unit},
            severity="WARN",
            next="the report shows what the outage consists of",
        ),
    ]


def ready(role: RoleContext, name: str, wait_s: float) -> list[Step]:
    """The health check of the new release, waited for so long."""
    health = role.service.new.health
    if health is None:
        return []
    words = f"health of {role.new} at {health.url}"
    return [
        http(
            name,
            health.url,
            role.healthy,
            wait_s=wait_s,
            words=words,
            next=f"{role.new} runs but is not ready: see its answer",
        )
    ]
