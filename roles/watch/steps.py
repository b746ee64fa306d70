"""What a watch does on a host: a look every few seconds, and what a recorded row measures besides. It measures; the rules judge."""

from types import ModuleType

from cutover.core.step import Step
from cutover.plan.roles import Role, load
from cutover.plan.steps import command, probe

ANSWER_S = 3  # a service that takes longer is missed in this look; the next one comes soon
FIGURES_S = 20.0


def looks(role: Role) -> list[Step]:
    """The cheap ones: the unit, what it uses, its health, and its figures by the deployed entry point."""
    unit = role["abaco_v2_unit"]
    return [
        probe("watch.unit", "unit", "whether V2 runs, and since when", {}, args={"unit": unit}),
        probe("watch.resources", "resources", "the memory and processor time of V2", {}, args={"unit": unit}),
        probe(
            "watch.health",
            "http",
            "whether V2 says that it is ready",
            {},
            args={"url": role["abaco_v2_health"], "wait_s": 0, "answer_s": ANSWER_S},
        ),
        command(
            "watch.figures",
            "tapes, latency, rows, KPIs, audit trail, ledger and outputs of V2",
            _validation(role).kpi(role, "vitals", "--json", "--config", role["abaco_config"]),
            {},
            timeout_s=FIGURES_S,
            user=role["abaco_user"],
            next="the deployed entry point does not answer on this host: see its words",
        ),
    ]


def rows(role: Role) -> list[Step]:
    """What a recorded row adds: the five checks with canaries, and the log review since the run began."""
    validation = _validation(role)
    return [
        _measured(step, name)
        for name, steps in (("validate", validation.validate(role)), ("log_review", validation.log_review(role)))
        for step in steps
        if step.kind == "command"
    ]


def _validation(role: Role) -> ModuleType:
    """The role that judged the service after the cutover: the watch calls the same entry point with the same arguments."""
    return load(role.root / "roles", "validation")


def _measured(step: Step, name: str) -> Step:
    """That role's command as a measurement of the watch, which wants nothing of the document."""
    return step.model_copy(
        update={"id": f"watch.{name}", "args": {**step.args, "name": f"watch.{name}"}, "desired": {"ran": True}}
    )
