"""The five checks, each against a fault planted in a release that really runs: it must FAIL there and nowhere else.

The release under test is a copy of the package with a few lines added; its own service runs and its own `validate` judges.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpi.probes import EXAMPLE
from tests.kpi.conftest import SMALL_SEGMENTS, Running, altered_code, run_kpi, serving, write_config

pytestmark = pytest.mark.process

# Far above what a busy test machine needs, far below what is planted.
LATENCY = {"warn": 500, "critical": 600, "rollback": 60000}
PLANTED_SECONDS = 0.8
CHECKS = ["kpi_calculations", "data_integrity", "performance", "error_handling", "audit_trail"]
Faults = dict[str, str]  # what is added, by the module that it is added to

WRONG_NUMBERS = {
    "formulas/base.py": """
_right = Kpi.with_value
def _wrong(self, rows, value, **more):
    return _right(self, rows, value * (1 + 1e-8 * (self.unit == "%" and rows.count == 200)), **more)
Kpi.with_value = _wrong
""",
    "durable.py": """
_write = write_files
def write_files(files):
    stale = {path for path in files if path.name == "latest.json" and path.exists()}
    _write({path: content for path, content in files.items() if path not in stale and not path.name.endswith(".csv")})
""",
    "tape.py": """
_whole = Tape.summary
def _less(self):
    known = _whole(self)
    return {**known, "rows_used": known["rows_used"] - (known["rows_used"] == 200)}
Tape.summary = _less
""",
}
SLOW = {
    "pipeline.py": f"""
_quick = write_outputs
def write_outputs(*arguments):
    time.sleep({PLANTED_SECONDS})
    return _quick(*arguments)
""",
    "inbox.py": f"""
import time
_quick = Inbox.finish
def _slow(self, claimed):
    time.sleep({PLANTED_SECONDS})
    return _quick(self, claimed)
Inbox.finish = _slow
""",
}
LENIENT = {
    "tape.py": "\nTape.apply_policy = lambda self, policy: self\n",
    "counters.py": """
_count = Counters.count
def _forget(self, outcome, seconds, at):
    if outcome.kind != "rejected":
        _count(self, outcome, seconds, at)
Counters.count = _forget
""",
}


def _validated(code: Path, running: Running) -> tuple[int, dict[str, Any]]:
    run = run_kpi("validate", "--json", "--config", str(running.config_path), code=code)
    return run.returncode, json.loads(run.stdout)


def _judge(
    tmp_path: Path, code: Path, harm: Callable[[Running], None] | None = None, tapes: int = 3
) -> tuple[int, dict[str, set[str]], dict[str, Any]]:
    limits = json.loads(EXAMPLE.read_bytes())["thresholds"] | {
        "kpi_latency_ms": LATENCY,
        "throughput_rows_per_second": {"warn": 10},
    }
    write_config(tmp_path, thresholds=limits)
    with serving(tmp_path, code) as running:
        running.deliver(tapes)
        if harm:
            harm(running)
        status, report = _validated(code, running)
    found = {
        name: {issue["code"] for issue in check["issues"] if issue["verdict"] == "FAIL"}
        for name, check in report["checks"].items()
        if check["status"] == "FAIL"
    }
    return status, found, report


def test_without_a_fault_all_five_pass_and_a_long_history_by_its_digests(tmp_path: Path) -> None:
    status, _, report = _judge(tmp_path, altered_code(tmp_path, replaced=SMALL_SEGMENTS), tapes=12)
    assert report["issues"] == []
    assert (status, report["status"], list(report["checks"])) == (0, "PASS", CHECKS)
    assert all(check["n"] > 0 and check["values"] and check["thresholds"] for check in report["checks"].values())
    calculations = report["checks"]["kpi_calculations"]["values"]
    assert (calculations["recomputed"], calculations["largest_deviation"] < 1e-12) == (10, True)  # the newest
    assert report["checks"]["data_integrity"]["values"]["arrivals"] == 12
    assert set(report["checks"]["performance"]["values"]) >= {"kpi_latency_ms", "memory_mb"}
    trail = report["checks"]["audit_trail"]["values"]
    assert trail["sealed_segments"] >= 3
    assert trail["by_digest"] > 0
    assert trail["followed"] + trail["by_digest"] == trail["seq"]


@pytest.mark.parametrize(
    ("faults", "check", "codes"),
    [
        (WRONG_NUMBERS, "kpi_calculations", {"wrong_result", "stale_output", "output_missing", "wrong_rows"}),
        (SLOW, "performance", {"kpi_latency_ms_critical", "inbox_to_done_ms_critical"}),
        (LENIENT, "error_handling", {"wrong_refusal", "error_not_counted"}),
    ],
)
def test_planted_faults_fail_just_their_check(tmp_path: Path, faults: Faults, check: str, codes: set[str]) -> None:
    status, found, _ = _judge(tmp_path, altered_code(tmp_path, faults), tapes=1 if faults is SLOW else 3)
    assert set(found) == {check}
    assert codes <= found[check]
    assert status == 9


def test_a_cut_trail_and_a_rejected_tape_without_a_reason_fail_just_their_checks(tmp_path: Path) -> None:
    def harm(running: Running) -> None:
        trail = running.root / "audit" / "trail.jsonl"  # written in place: the service goes on appending to it
        lines = trail.read_bytes().split(b"\n")
        trail.write_bytes(b"\n".join(line for line in lines if b'"seq": 3,' not in line))
        (running.root / "rejected" / f"{'0' * 64}__quiet.csv").write_bytes(b"")

    status, found, _ = _judge(tmp_path, altered_code(tmp_path), harm)
    assert (status, found) == (9, {"audit_trail": {"audit_chain"}, "error_handling": {"no_reason"}})


def test_a_validator_of_another_release_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        running.deliver(1)
        code = altered_code(tmp_path, {"clock.py": "\n# another release\n"})
        _, report = _validated(code, running)
    codes = {issue["code"]: issue["verdict"] for issue in report["checks"]["kpi_calculations"]["issues"]}
    assert codes == {"other_code": "WARN"}
