"""What the loans pipeline adds to the standard phases: its release's own tests, its KPIs on the host's own tapes, its five checks."""

from cutover.core.step import Step
from cutover.plan.roles import NO_RELEASE, RoleContext
from cutover.plan.steps import command, directory, file, http, link, probe, unit_files_read, unit_started, user

GOOD = {"one_of": ["PASS", "WARN"]}
# The seeds' files and the fewest tests that each must bring.
LEAST = {
    "test_kpi_base.py": 9,
    "test_kpi_calculators_v2.py": 10,
    "test_kpi_engine_v2.py": 5,
    "test_pipeline_orchestrator.py": 5,
}
FIGURES_S = 20.0


def staging(role: RoleContext) -> list[Step]:
    """Phase 2: run the release's tests here, compute this host's newest tapes with it."""
    return [_tests(role), *_values(role)]


def validation(role: RoleContext) -> list[Step]:
    """Phase 5: health of the deployed parts, the five checks, the log review."""
    return [*health(role), *validate(role), *log_review(role)]


def looks(role: RoleContext) -> list[Step]:
    """Every few seconds in a watch: the service's figures, by the deployed entry point."""
    return [
        command(
            "watch.figures",
            "tapes, latency, rows, KPIs, audit trail, ledger and outputs of V2",
            _kpi(role, "vitals", "--json", "--config", role["abaco_config"]),
            {},
            timeout_s=FIGURES_S,
            user=role["abaco_user"],
            next="the deployed entry point does not answer on this host: see its output",
        )
    ]


def rows(role: RoleContext) -> list[Step]:
    """In each row of a watch that is recorded: the five checks with canaries, and the log review since the run began."""
    return [
        step.model_copy(
            update={"id": f"watch.{name}", "args": {**step.args, "name": f"watch.{name}"}, "desired": {"ran": True}}
        )
        for name, steps in (("validate", validate(role)), ("log_review", log_review(role)))
        for step in steps
        if step.kind == "command" and not step.probe
    ]


def _tests(role: RoleContext) -> Step:
    """The release's own tests, counted file by file: none is skipped, none is missing."""
    least = role["abaco_least_tests"]
    return command(
        "staging.tests",
        f"run the release's own tests (at least {least})",
        [f"{role.release_path}/bin/run-tests"],
        {
            "document.failed": 0,
            "document.errors": 0,
            "document.skipped": 0,
            "document.passed": {"at_least": least},
            **{f"document.by_file.{file}.passed": {"at_least": fewest} for file, fewest in LEAST.items()},
        },
        timeout_s=role["abaco_test_timeout_s"],
        user=role["abaco_user"],
        next="the release does not work on this host: the report has the output of each test that is named",
    )


def _values(role: RoleContext) -> list[Step]:
    """What V2 computes from this host's own newest tapes, judged against ranges and V1's values."""
    data, tapes = role["abaco_data"], role["abaco_judged_tapes"]
    options = ["--json", "--newest", str(tapes), "--against", f"{data}/metrics"]
    return [
        command(
            "staging.values",
            f"compute the {tapes} newest tapes with V2 and judge them against ranges and V1's values",
            [f"{role.release_path}/bin/kpi", "judge", *options, f"{data}/done"],
            {"document.verdict": GOOD, "document.n": {"at_least": 1}},
            timeout_s=120,
            user=role["abaco_user"],
            next=f"V2 computes a value out of range, or another than V1, from this host's own data; the tape is in {data}/done",
        ),
        _clean(
            "staging.values", "warnings of V2's values on those tapes", "document.verdict", "the report has all values"
        ),
    ]


def health(role: RoleContext) -> list[Step]:
    """Each part of the deployed code, probed on the host in one process."""
    return [
        command(
            "validation.health",
            "probe the deployed engine, orchestrator and config",
            _kpi(role, "health", "--json", "--config", role["abaco_config"]),
            {"document.verdict": {"one_of": ["PASS", "FAIL"]}},
            timeout_s=60,
            user=role["abaco_user"],
            next="the deployed entry point does not work on this host: see its output in the report",
        ),
        *(
            probe(
                f"validation.health-{part}",
                "command",
                f"deployed {part}",
                {f"document.probes.{part}.verdict": "PASS"},
                args={"name": "validation.health"},
                next=f"the deployed {part} does not work on this host: see its errors in the report",
            )
            for part in ("engine", "orchestrator", "config")
        ),
    ]


def validate(role: RoleContext) -> list[Step]:
    """The five checks: kpi_calculations, data_integrity, performance, error_handling, audit_trail."""
    seconds = role["abaco_validate_timeout_s"]
    next_ = "production_validation_report.json has all values of the check that is named"
    return [
        command(
            "validation.validate",
            "judge the live service: values, data, performance, error handling, audit trail",
            _kpi(role, "validate", "--json", "--config", role["abaco_config"], "--timeout", f"{seconds:g}"),
            {"document.status": GOOD},
            timeout_s=seconds + 15,
            user=role["abaco_user"],
            next=next_,
        ),
        _clean("validation.validate", "warnings of the five checks", "document.status", next_),
    ]


def log_review(role: RoleContext) -> list[Step]:
    """Errors, latency and audit events since the run began, from V2's own audit trail."""
    since, next_ = role.run.started_at, "the report has the newest errors of the audit trail"
    return [
        command(
            "validation.log-review",
            f"review the log since {since}",
            _kpi(role, "log-review", "--json", "--since", since, "--config", role["abaco_config"]),
            {"document.status": GOOD},
            timeout_s=60,
            user=role["abaco_user"],
            next=next_,
        ),
        _clean("validation.log-review", f"warnings of the log since {since}", "document.status", next_),
    ]


def shadow(role: RoleContext) -> list[Step]:
    """V1 and V2 on the same frozen tapes of this host, by the release that the run staged here, else the one in service.

    Begun as root, which alone can read the backup of V1's config; it becomes V1's user before it opens a tape.
    """
    release = role["abaco_home"] + ("/current" if role.release is NO_RELEASE else f"/releases/{role.release.id}")
    seconds, tapes = role["abaco_shadow_timeout_s"], role["abaco_shadow_tapes"]
    options = {
        "--newest": str(tapes),
        "--quarantine": role["abaco_quarantine"],
        "--timeout": f"{seconds:g}",
        "--v1-unit": role["abaco_v1_unit"],
        "--config": role["abaco_config"],
        "--backups": f"{role.state_dir}/.rollback",
    }
    argv = ["/usr/bin/env", "PYTHONDONTWRITEBYTECODE=1", f"{release}/bin/kpi", "shadow", "--json"]
    return [
        command(
            "validation.shadow",
            f"run V1 and V2 on the {tapes} newest tapes of this host and compare",
            [*argv, *(word for option in options.items() for word in option), f"{role['abaco_data']}/done"],
            {"document.status": GOOD},
            timeout_s=2 * seconds * tapes + 15,
            next="no V2 release on this host can do it: `./invokew prepare` stages one",
        ),
    ]


def lab(role: RoleContext) -> list[Step]:
    """V1 in service on a test host, as on one in production: user, directories, code, config, unit, and who delivers the tapes."""
    home, data, owner = role["abaco_home"], role["abaco_data"], role["abaco_user"]
    release = f"{home}/releases/{role['lab_v1_release']}"
    units, v1, tapes = role["abaco_unit_dir"], role["abaco_v1_unit"], "lab-tapes.service"
    ours = {"owner": owner, "group": owner, "mode": "0750"}
    config = role.content("legacy/abaco_v1/pipeline.yml")
    return [
        user("lab.user", owner, home=data),
        *(directory(f"lab.{path}", path) for path in ("/etc/abaco", home, f"{home}/releases", release, f"{home}/lab")),
        *(
            directory(f"lab.{name or 'data'}", f"{data}/{name}".rstrip("/"), **ours)
            for name in ("", "inbox", "processing", "done", "rejected", "metrics", "audit")
        ),
        file("lab.v1-code", f"{release}/pipeline_v1.py", role.content("legacy/abaco_v1/pipeline_v1.py")),
        file("lab.v1-config", role["abaco_config"], config, group=owner, mode="0640"),
        link("lab.current", f"{home}/current", release),
        file("lab.v1-unit", f"{units}/{v1}", role.render("abaco-pipeline-v1.service.j2")),
        file("lab.tapes-code", f"{home}/lab/deliver_tapes.py", role.content("legacy/deliver_tapes.py")),
        file("lab.tapes-unit", f"{units}/{tapes}", role.render("lab-tapes.service.j2")),
        unit_files_read("lab.units-read", [v1, tapes]),
        unit_started("lab.v1", v1, timeout_s=30),
        http("lab.v1-healthy", role["abaco_v1_health"], {"status": 200}, wait_s=30),
        unit_started("lab.tapes", tapes, timeout_s=15),
    ]


def _clean(name: str, words: str, key: str, next_: str) -> Step:
    """A warning of a command's document, which does not stop the run and must be seen."""
    return probe(f"{name}-clean", "command", words, {key: "PASS"}, args={"name": name}, severity="WARN", next=next_)


def _kpi(role: RoleContext, *arguments: str) -> list[str]:
    """The deployed entry point: what `current` points at, not a library beside it."""
    return [f"{role['abaco_home']}/current/bin/kpi", *arguments]
