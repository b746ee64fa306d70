"""Phase 5: the health of the deployed parts, the five checks on the live service, the log since the cutover, then the bake time."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import command, probe

GOOD = {"one_of": ["PASS", "WARN"]}


def steps(role: Role) -> list[Step]:
    """Health, the five checks, the log review."""
    return [*health(role), *validate(role), *log_review(role)]


def health(role: Role) -> list[Step]:
    """Each part of the deployed code, probed on the host in one process (M16)."""
    argv = kpi(role, "health", "--json", "--config", role["abaco_config"])
    return [
        command(
            "validation.health",
            "probe the deployed engine, orchestrator and config",
            argv,
            {"document.verdict": {"one_of": ["PASS", "FAIL"]}},
            timeout_s=60,
            user=role["abaco_user"],
            next="the deployed entry point does not work on this host: see its words in the report",
        ),
        *(
            probe(
                f"validation.health-{part}",
                "result",
                f"the deployed {part} works",
                {f"document.probes.{part}.verdict": "PASS"},
                args={"name": "validation.health"},
                next=f"the deployed {part} does not work on this host: see its errors in the report",
            )
            for part in ("engine", "orchestrator", "config")
        ),
    ]


def validate(role: Role) -> list[Step]:
    """The five checks: kpi_calculations, data_integrity, performance, error_handling, audit_trail (M10)."""
    seconds = role["abaco_validate_timeout_s"]
    return [
        command(
            "validation.validate",
            "judge the live service: values, data, performance, error handling, audit trail",
            kpi(role, "validate", "--json", "--config", role["abaco_config"], "--timeout", f"{seconds:g}"),
            {"document.status": GOOD},
            timeout_s=seconds + 15,
            user=role["abaco_user"],
            next="production_validation_report.json has all values of the check that is named",
        ),
        probe(
            "validation.validate-clean",
            "result",
            "the five checks raise no warning",
            {"document.status": "PASS"},
            args={"name": "validation.validate"},
            severity="WARN",
            next="production_validation_report.json has all values of the check that is named",
        ),
    ]


def log_review(role: Role) -> list[Step]:
    """Errors, latency and audit events since the run began, from V2's own audit trail (M17)."""
    since = role.run.started_at
    return [
        command(
            "validation.log-review",
            f"review the log since {since}",
            kpi(role, "log-review", "--json", "--since", since, "--config", role["abaco_config"]),
            {"document.status": GOOD},
            timeout_s=60,
            user=role["abaco_user"],
            next="the report has the newest errors of the audit trail",
        ),
        probe(
            "validation.log-review-clean",
            "result",
            f"the log since {since} raises no warning",
            {"document.status": "PASS"},
            args={"name": "validation.log-review"},
            severity="WARN",
            next="the report has the newest errors of the audit trail",
        ),
    ]


def shadow(role: Role) -> list[Step]:
    """V1 and V2 on the same frozen tapes of this host, by the release that the run staged here, else the one in service (M22).

    As root, so that it can give both to V1's user and keep their input from either; it writes to a scratch place only.
    """
    release = f"releases/{role.release.id}" if role.release else "current"
    seconds = role["abaco_shadow_timeout_s"]
    return [
        command(
            "validation.shadow",
            f"run V1 and V2 on the {role['abaco_shadow_tapes']} newest tapes of this host and compare",
            [
                "/usr/bin/env",
                "PYTHONDONTWRITEBYTECODE=1",
                f"{role['abaco_home']}/{release}/bin/kpi",
                "shadow",
                "--json",
                "--newest",
                str(role["abaco_shadow_tapes"]),
                "--quarantine",
                role["abaco_quarantine"],
                "--timeout",
                f"{seconds:g}",
                "--v1-unit",
                role["abaco_v1_unit"],
                "--config",
                role["abaco_config"],
                f"{role['abaco_data']}/done",
            ],
            {"document.status": GOOD},
            timeout_s=2 * seconds * role["abaco_shadow_tapes"] + 15,
            next="no V2 release on this host that can do it: `./invokew prepare` stages one",
        ),
    ]


def bake(role: Role) -> list[Step]:
    """What must stay so during the bake time."""
    return [
        probe(
            "bake.v2",
            "unit",
            "V2 keeps running",
            {"active": "active", "restarts": 0, "enabled": "enabled"},
            args={"unit": role["abaco_v2_unit"]},
            next=f"V2 was restarted or died: journalctl -u {role['abaco_v2_unit']}",
        ),
        probe(
            "bake.v1",
            "unit",
            "V1 stays stopped",
            {"active": {"one_of": ["inactive", "failed"]}, "enabled": "disabled"},
            args={"unit": role["abaco_v1_unit"]},
            next="somebody started V1 beside V2: find out who",
        ),
        probe(
            "bake.health",
            "http",
            "V2 stays healthy",
            {"status": 200, "body.ready": True},
            args={"url": role["abaco_v2_health"], "wait_s": 0},
            next="V2's answer says what is wrong",
        ),
    ]


def kpi(role: Role, *arguments: str) -> list[str]:
    """The deployed entry point: what `current` points at, not a library beside it."""
    return [f"{role['abaco_home']}/current/bin/kpi", *arguments]
