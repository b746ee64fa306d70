"""The service in trouble: a stuck worker, a full disk, a root that cannot be used; it says so, and heals by itself."""

import hashlib
import json
import resource
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kpi.audit import records_since, verify
from kpi.config import PipelineConfig
from kpi.findings import UsageError
from kpi.service import PipelineService
from kpi.synthetic import as_csv, draw
from kpi.validation import validate
from kpi.validation.live import ask_health, ask_metrics
from tests.checkout import ROOT
from tests.kpi.conftest import Running, altered_code, serving, wait_for, write_config
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

STUCK = """
import threading
def _stuck(self, claimed):
    threading.Event().wait()
Inbox.finish = _stuck
"""
SAMPLES = """
    abaco_rows_read_total abaco_rows_total abaco_rows_quarantined_total abaco_output_errors_total abaco_audit_events_total
    abaco_audit_last_event_timestamp_seconds abaco_last_run_timestamp_seconds abaco_last_success_timestamp_seconds abaco_ready
    abaco_worker_silent_seconds abaco_disk_free_bytes process_resident_memory_bytes process_cpu_seconds_total
    process_start_time_seconds abaco_tape_latency_seconds_sum abaco_tape_latency_seconds_count
    abaco_tapes_total{outcome="failed"} abaco_tapes_total{outcome="duplicate"} abaco_errors_total{code="out_of_range"}
"""


def _drop(running: Running, name: str, content: bytes) -> None:
    part = running.root / "inbox" / f".{name}.part"
    part.write_bytes(content)
    part.rename(running.root / "inbox" / name)


def _done(running: Running, name: str) -> list[Path]:
    return list((running.root / "done").glob(f"*__{name}"))


def _limit_writes(running: Running, size: int) -> None:
    """No file of the service may grow beyond this size: writes end in the middle, as on a full disk."""
    _, most = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, most))


def test_metrics_have_what_the_thresholds_need(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        _drop(running, "1.csv", as_csv(draw("A", 50)))
        _drop(running, "2.csv", as_csv(draw("C", 50)))
        wait_for(lambda: ask_metrics(running.config).get('abaco_tapes_total{outcome="rejected"}'))
        seen = ask_metrics(running.config)
        resident = seen["process_resident_memory_bytes"]
        status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
        measured = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert set(seen) >= set(SAMPLES.split())
    assert (seen["abaco_rows_read_total"], seen["abaco_rows_total"]) == (100, 50)
    assert resident == pytest.approx(measured * 1024, rel=0.2)
    assert seen["abaco_last_run_timestamp_seconds"] >= seen["abaco_last_success_timestamp_seconds"] > 0
    assert 0 < seen["process_start_time_seconds"] <= seen["abaco_audit_last_event_timestamp_seconds"]
    assert seen["abaco_disk_free_bytes"] > 0


def test_a_stuck_worker_is_not_ready_and_starves_the_watchdog(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    config = write_config(root)
    document = json.loads(config.read_bytes())
    document["service"]["stall_seconds"] = 1
    config.write_text(json.dumps(document), encoding="utf-8")
    code = altered_code(tmp_path, "inbox.py", "def _has(", f"{STUCK.strip()}\n\n\ndef _has(")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with serving(root, code, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000") as running:
            assert systemd.recv(200).startswith(b"READY=1")
            assert systemd.recv(200) == b"WATCHDOG=1"
            _drop(running, "1.csv", as_csv(draw("A", 20)))
            wait_for(lambda: "no sign of life" in ask_health(running.config).why_not)
            assert ask_metrics(running.config)["abaco_ready"] == 0
            assert running.process.stdout is not None
            assert "the watchdog is not fed any more" in running.process.stdout.readline()
            fed_before = _waiting(systemd)
            wait_for(lambda: ask_metrics(running.config)["abaco_worker_silent_seconds"] > 2.0)
            assert set(fed_before) <= {b"WATCHDOG=1"}
            assert _waiting(systemd) == []


def _waiting(systemd: socket.socket) -> list[bytes]:
    said = []
    systemd.setblocking(False)
    while True:
        try:
            said.append(systemd.recv(200))
        except BlockingIOError:
            return said


@pytest.mark.parametrize("full", ["outputs", "audit"])
def test_a_full_disk_is_a_reason_and_heals_by_itself(tmp_path: Path, full: str) -> None:
    with serving(tmp_path) as running:
        for number in range(5):
            _drop(running, f"{number}.csv", as_csv(draw("A", 20), f"{number}-"))
        wait_for(lambda: _done(running, "4.csv"))
        trail = tmp_path / "audit" / "trail.jsonl"
        _limit_writes(running, 100 if full == "outputs" else trail.stat().st_size + 100)
        _drop(running, "late.csv", as_csv(draw("A", 20), "late-"))
        health = wait_for(lambda: (seen := ask_health(running.config)).why_not and seen)
        assert (health.status, health.document["reason"][:20]) == (503, "cannot read or write")
        metrics = ask_metrics(running.config)
        assert (metrics["abaco_output_errors_total"] >= 1, metrics["abaco_ready"]) == (True, 0)
        assert list((tmp_path / "processing").glob("*__late.csv"))
        assert verify(tmp_path / "audit").problems == []
        _limit_writes(running, resource.RLIM_INFINITY)
        wait_for(lambda: _done(running, "late.csv") and not ask_health(running.config).why_not)
        assert running.stop()[0] == 0
    assert verify(tmp_path / "audit").problems == []
    ended = [one["details"]["tape"] for one in records_since(tmp_path / "audit", "") if one["event"] == "run_completed"]
    assert sorted(ended) == ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv", "late.csv"]


def test_one_tape_that_cannot_go_on_is_told_and_holds_no_other(tmp_path: Path) -> None:
    first = as_csv(draw("A", 20), "first-")
    name = f"{hashlib.sha256(first).hexdigest()}__1.csv"
    (tmp_path / "done" / name).mkdir(parents=True)
    with serving(tmp_path) as running:
        _drop(running, "1.csv", first)
        _drop(running, "2.csv", as_csv(draw("A", 20), "second-"))
        wait_for(lambda: _done(running, "2.csv"))
        health = ask_health(running.config)
        assert (health.why_not, list(health.document["held"])) == ("", [f"processing/{name}"])
        assert ask_metrics(running.config)["abaco_tapes_held"] == 1
        assert ("error_handling", "tapes_held") in [
            (check.name, finding.code) for check in validate(running.config).checks for _, finding in check.issues
        ]
        status, said = running.stop()
    assert (status, f"error: held, and tried again later: {{'processing/{name}'" in said) == (0, True)
    (tmp_path / "done" / name).rmdir()
    with serving(tmp_path) as running:
        wait_for((tmp_path / "done" / name).is_file)
        assert ask_health(running.config).document["held"] == {}


def test_a_stop_on_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        _limit_writes(running, 10)
        _drop(running, "1.csv", as_csv(draw("A", 20)))
        wait_for(lambda: ask_health(running.config).why_not)
        status, said = running.stop()
    assert (status, "the stop could not be recorded" in said) == (1, True)
    with serving(tmp_path) as running:
        wait_for(lambda: _done(running, "1.csv"))
        assert running.stop()[0] == 0
    assert verify(tmp_path / "audit").problems == []


def test_a_root_that_cannot_be_used_ends_with_its_reason(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "audit").write_bytes(b"in the way")
    command = [sys.executable, "-m", "kpi", "serve", "--config", str(config)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (run.returncode, "cannot be made or written" in run.stderr) == (2, True)
    assert "Traceback" not in run.stderr


def test_a_masking_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    config = PipelineConfig.load(write_config(tmp_path))
    document = {**config.document, "personal": {"key_file": str(key)}}
    with pytest.raises(UsageError, match="others may read the key"):
        PipelineService(replace(config, document=document))
