"""The five checks, each against a fault planted in a release that really runs: it must FAIL there and nowhere else.

The release under test is a copy of the package with a few lines added; its own service runs and its own `validate` judges.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from legacy.deliver_tapes import Deliverer
from tests.kpi.conftest import Running, altered_code, copied_code, serving, wait_for, write_config
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

# Far above what a busy test machine needs, far below what is planted.
LATENCY = {"warn": 500, "critical": 600, "rollback": 60000}
PLANTED_SECONDS = 0.8
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
SWALLOWED = {"pipeline.py": "\nRun.accepted = property(lambda self: True)\n"}
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


def _release(tmp_path: Path, faults: Faults | None = None) -> Path:
    """A copy of the package with faults in it, as a release of its own."""
    copied_code(tmp_path)
    for module, fault in (faults or {}).items():
        with (tmp_path / "kpi" / module).open("a", encoding="utf-8") as code:
            code.write(fault)
    return tmp_path


def _validated(code: Path, running: Running, *more: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "kpi", "validate", "--json", "--config", str(running.config_path), *more]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    run = subprocess.run(
        command, cwd=code, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return run.returncode, json.loads(run.stdout)


def _deliver(running: Running, count: int) -> None:
    deliverer = Deliverer(running.root)
    for _ in range(count):
        pattern = f"*__{deliverer.deliver('A', 200)}"
        wait_for(partial(_has, running.root / "done", pattern))


def _has(directory: Path, pattern: str) -> bool:
    return any(True for _ in directory.glob(pattern))


def _judge(
    tmp_path: Path, code: Path, harm: Callable[[Running], None] | None = None, tapes: int = 3
) -> tuple[int, dict[str, set[str]], dict[str, Any]]:
    root = tmp_path / "root"
    root.mkdir()
    path = write_config(root)
    document = json.loads(path.read_bytes())
    document["thresholds"] |= {"kpi_latency_ms": LATENCY, "throughput_rows_per_second": {"warn": 10}}
    path.write_text(json.dumps(document), encoding="utf-8")
    with serving(root, code) as running:
        _deliver(running, tapes)
        if harm:
            harm(running)
        status, report = _validated(code, running)
    found = {
        name: {issue["code"] for issue in check["issues"] if issue["verdict"] == "FAIL"}
        for name, check in report["checks"].items()
        if check["status"] == "FAIL"
    }
    return status, found, report


def test_without_a_fault_all_five_pass(tmp_path: Path) -> None:
    status, _, report = _judge(tmp_path, _release(tmp_path))
    assert report["issues"] == []
    assert (status, report["status"], len(report["checks"])) == (0, "PASS", 5)
    assert all(check["n"] > 0 and check["thresholds"] for check in report["checks"].values())
    assert report["checks"]["kpi_calculations"]["values"]["recomputed"] == 3


@pytest.mark.parametrize(
    ("faults", "check", "codes"),
    [
        (WRONG_NUMBERS, "kpi_calculations", {"wrong_result", "stale_output", "output_missing", "wrong_rows"}),
        (SLOW, "performance", {"kpi_latency_ms_critical", "inbox_to_done_ms_critical"}),
        (SWALLOWED, "error_handling", {"wrong_refusal"}),
        (LENIENT, "error_handling", {"wrong_refusal", "error_not_counted"}),
    ],
)
def test_planted_faults_fail_just_their_check(tmp_path: Path, faults: Faults, check: str, codes: set[str]) -> None:
    status, found, _ = _judge(tmp_path, _release(tmp_path, faults), tapes=1 if faults is SLOW else 3)
    assert set(found) == {check}
    assert codes <= found[check]
    assert status == 9


def _cut(running: Running) -> None:
    """Take one record out of the middle, in place: the service goes on appending to the same file."""
    trail = running.root / "audit" / "trail.jsonl"
    lines = trail.read_bytes().split(b"\n")
    trail.write_bytes(b"\n".join(line for line in lines if b'"seq": 3,' not in line))


def test_a_cut_trail_and_a_rejected_tape_without_a_reason_fail_just_their_checks(tmp_path: Path) -> None:
    def harm(running: Running) -> None:
        _cut(running)
        (running.root / "rejected" / f"{'0' * 64}__quiet.csv").write_bytes(b"")

    status, found, _ = _judge(tmp_path, _release(tmp_path), harm)
    assert (status, found) == (9, {"audit_trail": {"audit_chain"}, "error_handling": {"no_reason"}})


def _small_segments(tmp_path: Path) -> Path:
    return altered_code(tmp_path, "audit/trail.py", "SEGMENT_BYTES = 1024 * 1024", "SEGMENT_BYTES = 10_000")


def test_a_long_history_passes_by_its_digests(tmp_path: Path) -> None:
    status, _, report = _judge(tmp_path, _small_segments(tmp_path), tapes=12)
    values = report["checks"]["audit_trail"]["values"]
    assert (status, report["issues"]) == (0, [])
    assert values["sealed_segments"] >= 3
    assert values["by_digest"] > 0
    assert values["followed"] + values["by_digest"] == values["seq"]
    assert report["checks"]["kpi_calculations"]["n"] > 0


def test_a_validator_of_another_release_says_so(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with serving(root) as running:
        _deliver(running, 1)
        code = _release(tmp_path, {"clock.py": "\n# another release\n"})
        _, report = _validated(code, running)
    codes = {issue["code"]: issue["verdict"] for issue in report["checks"]["kpi_calculations"]["issues"]}
    assert codes == {"other_code": "WARN"}
