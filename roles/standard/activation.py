"""Phase 4: switch and start. Each file appears by an atomic rename; the order is such that nothing starts half configured."""

from cutover.core.step import Step
from cutover.plan.roles import RoleContext
from cutover.plan.steps import file, http, link, probe, unit_files_read, unit_started


def steps(role: RoleContext) -> list[Step]:
    """Unit, files, release, start, readiness, and how long the service was unavailable."""
    service, new, health = role.service, role.service.new, role.service.new.health
    within, budget = health.within if health else 30.0, role["cutover_outage_budget_s"]
    found = []
    if new.unit_template:
        found.append(file("activation.unit", f"{service.unit_dir}/{new.unit}", role.render(new.unit_template)))
    for one in service.files:
        owned = one.model_dump(include={"owner", "group", "mode"})
        found.append(file(f"activation.file-{one.name}", one.path, role.render(one.template), **owned))
    if service.current:
        found.append(link("activation.release", service.current, role.release_path))
    found += [
        unit_files_read("activation.unit-read", [new.unit]),
        unit_started(
            "activation.new",
            new.unit,
            timeout_s=within,
            next=f"{role.new} did not start: its last words are above; journalctl -u {new.unit} has the rest",
        ),
    ]
    if health:
        words, next_ = f"health of {role.new} at {health.url}", f"{role.new} runs but is not ready: see its answer"
        found.append(
            http("activation.ready", health.url, role.healthy, wait_s=within, words=words, unit=new.unit, next=next_)
        )
    outage = probe(
        "activation.outage",
        "gap",
        f"outage (at most {budget:g} s)",
        {"gap_s": {"between": [0, budget]}},
        args={"stopped": service.old.unit, "started": new.unit},
        severity="WARN",
        next="the report shows what the outage consists of",
    )
    return [*found, outage]
