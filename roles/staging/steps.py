"""Phase 2: unpack the release, run its tests here, compute this host's newest tapes with it. Nothing that V1 uses is touched."""

from cutover.decide.roles import Role
from cutover.words.step import Step
from cutover.words.steps import command, directory, probe, release

# The seeds' files and the fewest tests that each must bring.
LEAST = {
    "test_kpi_base.py": 9,
    "test_kpi_calculators_v2.py": 10,
    "test_kpi_engine_v2.py": 5,
    "test_pipeline_orchestrator.py": 5,
}


def steps(role: Role) -> list[Step]:
    """Release, tests, values."""
    this = role.the_release()
    home, data, user = role["abaco_home"], role["abaco_data"], role["abaco_user"]
    path = f"{home}/releases/{this.id}"
    arrived = f"{role['cutover_state_dir']}/incoming/{this.id}.tar.gz"
    passed = {f"document.by_file.{file}.passed": {"at_least": least} for file, least in LEAST.items()}
    judge = [
        f"{path}/bin/kpi",
        "judge",
        "--json",
        "--newest",
        str(role["abaco_judged_tapes"]),
        "--against",
        f"{data}/metrics",
        f"{data}/done",
    ]
    return [
        directory("staging.releases", f"{home}/releases"),
        release(
            "staging.release",
            path,
            this.id,
            arrived,
            this.sha256,
            next="the release on the host is not the one that was built: remove it there if nothing runs from it, and stage again",
        ),
        command(
            "staging.tests",
            f"run the release's own tests (at least {role['abaco_least_tests']}), count them",
            [f"{path}/bin/run-tests"],
            {
                "document.failed": 0,
                "document.errors": 0,
                "document.skipped": 0,
                "document.passed": {"at_least": role["abaco_least_tests"]},
                **passed,
            },
            timeout_s=role["abaco_test_timeout_s"],
            user=user,
            next="see the failed tests in the report: the release does not work on this host",
        ),
        command(
            "staging.values",
            f"compute the {role['abaco_judged_tapes']} newest tapes of this host with V2 and judge them against ranges and V1's values",
            judge,
            {"document.verdict": {"one_of": ["PASS", "WARN"]}, "document.n": {"at_least": 1}},
            timeout_s=120,
            user=user,
            next="V2 computes a value that is out of range, or another than V1, from this host's own data: see the tape that is named",
        ),
        probe(
            "staging.values-clean",
            "result",
            "V2's values on those tapes raise no warning",
            {"document.verdict": "PASS"},
            args={"name": "staging.values"},
            severity="WARN",
            next="see the values in the report",
        ),
    ]
