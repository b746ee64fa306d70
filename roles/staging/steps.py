"""Phase 2: unpack the release, run its tests here, compute this host's newest tapes with it. Nothing that V1 uses is touched."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import command, directory, probe, release

# The seeds' files and the fewest tests that each must bring.
LEAST = {
    "test_kpi_base.py": 9,
    "test_kpi_calculators_v2.py": 10,
    "test_kpi_engine_v2.py": 5,
    "test_pipeline_orchestrator.py": 5,
}


def steps(role: Role) -> list[Step]:
    """Release, tests, values."""
    this, home = role.the_release(), role["abaco_home"]
    path = f"{home}/releases/{this.id}"
    return [
        directory("staging.releases", f"{home}/releases"),
        release(
            "staging.release",
            path,
            this.id,
            f"{role['cutover_state_dir']}/incoming/{this.id}.tar.gz",
            this.sha256,
            next="the release on the host is not the one that was built: remove it there if nothing runs from it, and stage again",
        ),
        _tests(role, path),
        *_values(role, path),
    ]


def _tests(role: Role, path: str) -> Step:
    """The release's own tests, counted file by file: none is skipped, none is missing."""
    least = role["abaco_least_tests"]
    return command(
        "staging.tests",
        f"run the release's own tests (at least {least}), count them",
        [f"{path}/bin/run-tests"],
        {
            "document.failed": 0,
            "document.errors": 0,
            "document.skipped": 0,
            "document.passed": {"at_least": least},
            **{f"document.by_file.{file}.passed": {"at_least": fewest} for file, fewest in LEAST.items()},
        },
        timeout_s=role["abaco_test_timeout_s"],
        user=role["abaco_user"],
        next="the release does not work on this host: the report has what each test that is named said",
    )


def _values(role: Role, path: str) -> list[Step]:
    """What V2 computes from this host's own newest tapes, held against ranges and V1's values."""
    data, tapes = role["abaco_data"], role["abaco_judged_tapes"]
    options = ["--json", "--newest", str(tapes), "--against", f"{data}/metrics"]
    return [
        command(
            "staging.values",
            f"compute the {tapes} newest tapes of this host with V2 and judge them against ranges and V1's values",
            [f"{path}/bin/kpi", "judge", *options, f"{data}/done"],
            {"document.verdict": {"one_of": ["PASS", "WARN"]}, "document.n": {"at_least": 1}},
            timeout_s=120,
            user=role["abaco_user"],
            next=f"V2 computes a value out of range, or another than V1, from this host's own data; the tape lies in {data}/done",
        ),
        probe(
            "staging.values-clean",
            "result",
            "V2's values on those tapes raise no warning",
            {"document.verdict": "PASS"},
            args={"name": "staging.values"},
            severity="WARN",
            next="the report has all values of the tapes that are named",
        ),
    ]
