"""The service in trouble: a stuck worker, a full disk, a root that cannot be used; it says so, and heals by itself."""

import hashlib
import resource
import socket
from pathlib import Path

import pytest

from kpi.audit import records_since, verify
from kpi.config import PipelineConfig
from kpi.findings import UsageError
from kpi.service import PipelineService
from kpi.synthetic import as_csv, draw
from kpi.validation import validate
from kpi.validation.live import ask_health, ask_metrics
from tests.kpi.conftest import Running, altered_code, run_kpi, serving, wait_for, write_config
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process

STUCK = {"inbox.py": "\nimport threading\nInbox.finish = lambda *tape: threading.Event().wait()\n"}

TOLD_WHILE_HELD = {
    "service.py": """
def _told_while_held(self, inbox, work=PipelineService._work):
    with self._stop._cond:
        signal.raise_signal(signal.SIGTERM)
    work(self, inbox)
PipelineService._work = _told_while_held
"""
}


def _limit_writes(running: Running, size: int) -> None:
    """No file of the service may grow beyond this size: writes end in the middle, as on a full disk."""
    _, most = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, most))


def test_a_stuck_worker_is_not_ready_and_starves_the_watchdog(tmp_path: Path) -> None:
    write_config(tmp_path, service={"poll_seconds": 0.02, "stall_seconds": 1})
    code = altered_code(tmp_path, STUCK)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with serving(tmp_path, code, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000") as running:
            assert systemd.recv(200).startswith(b"READY=1")
            assert systemd.recv(200) == b"WATCHDOG=1"
            running.drop("1.csv", as_csv(draw("A", 20)))
            wait_for(lambda: "no sign of life" in ask_health(running.config).why_not)
            metrics = ask_metrics(running.config)
            assert (metrics["abaco_ready"], metrics["abaco_tape_at_hand_seconds"] > 0.3) == (0, True)
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
            running.drop(f"{number}.csv", as_csv(draw("A", 20), f"{number}-"))
        wait_for(lambda: running.ended("done", "4.csv"))
        trail = tmp_path / "audit" / "trail.jsonl"
        _limit_writes(running, 100 if full == "outputs" else trail.stat().st_size + 100)
        running.drop("late.csv", as_csv(draw("A", 20), "late-"))
        health = wait_for(lambda: (seen := ask_health(running.config)).why_not and seen)
        assert (health.status, health.document["reason"][:20]) == (503, "cannot read or write")
        metrics = ask_metrics(running.config)
        assert (metrics["abaco_output_errors_total"] >= 1, metrics["abaco_ready"]) == (True, 0)
        assert list((tmp_path / "processing").glob("*__late.csv"))
        assert verify(tmp_path / "audit").problems == []
        _limit_writes(running, resource.RLIM_INFINITY)
        wait_for(lambda: running.ended("done", "late.csv") and not ask_health(running.config).why_not)
        assert running.stop()[0] == 0
    assert verify(tmp_path / "audit").problems == []
    ended = [one["details"]["tape"] for one in records_since(tmp_path / "audit", "") if one["event"] == "run_completed"]
    assert sorted(ended) == ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv", "late.csv"]


def test_one_tape_that_cannot_go_on_is_told_and_holds_no_other(tmp_path: Path) -> None:
    first = as_csv(draw("A", 20), "first-")
    name = f"{hashlib.sha256(first).hexdigest()}__1.csv"
    (tmp_path / "done" / name).mkdir(parents=True)
    with serving(tmp_path) as running:
        running.drop("1.csv", first)
        running.drop("2.csv", as_csv(draw("A", 20), "second-"))
        wait_for(lambda: running.ended("done", "2.csv"))
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


def test_sigterm_may_come_at_any_moment(tmp_path: Path) -> None:
    """Also while the worker holds the lock of the event that SIGTERM sets: it stops, and need not be killed."""
    with serving(tmp_path, altered_code(tmp_path, TOLD_WHILE_HELD)) as running:
        assert running.process.wait(PATIENCE_S) == 0


def test_a_stop_on_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        _limit_writes(running, 10)
        running.drop("1.csv", as_csv(draw("A", 20)))
        wait_for(lambda: ask_health(running.config).why_not)
        status, said = running.stop()
    assert (status, "the stop could not be recorded" in said) == (1, True)
    with serving(tmp_path) as running:
        wait_for(lambda: running.ended("done", "1.csv"))
        assert running.stop()[0] == 0
    assert verify(tmp_path / "audit").problems == []


def test_a_root_that_cannot_be_used_ends_with_its_reason(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "audit").write_bytes(b"in the way")
    run = run_kpi("serve", "--config", str(config))
    assert (run.returncode, "cannot be made or written" in run.stderr) == (2, True)
    assert "Traceback" not in run.stderr


def test_a_masking_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    config = PipelineConfig.load(write_config(tmp_path, personal={"key_file": str(key)}))
    with pytest.raises(UsageError, match="others may read the key"):
        PipelineService(config)
