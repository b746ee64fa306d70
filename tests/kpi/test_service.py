"""The service as its unit runs it: readiness, health, metrics, SIGTERM."""

import json
import socket
from pathlib import Path

import pytest

from kpi.audit import verify
from kpi.outputs import LATEST
from kpi.synthetic import as_csv, draw
from kpi.validation.live import ask_health, ask_metrics
from tests.kpi.conftest import altered_code, run_kpi, serving, wait_for, write_config

pytestmark = pytest.mark.process


def test_it_answers_counts_and_stops_cleanly(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        health = ask_health(running.config)
        assert (health.status, health.why_not, health.document["last_run"]) == (200, "", None)
        assert health.document["pid"] == running.process.pid
        running.drop("1.csv", as_csv(draw("A", 50)))
        running.drop("2.csv", as_csv(draw("C", 50)))
        wait_for(lambda: running.ended("done", "1.csv") and running.ended("rejected", "2.csv"))
        metrics = wait_for(
            lambda: (seen := ask_metrics(running.config))['abaco_tapes_total{outcome="rejected"}'] and seen
        )
        assert metrics['abaco_tapes_total{outcome="processed"}'] == 1
        assert (metrics["abaco_rows_total"], metrics["abaco_tape_latency_seconds_count"]) == (50, 2)
        assert metrics['abaco_tape_latency_seconds_bucket{le="+Inf"}'] == 2
        assert metrics["abaco_rows_read_total"] == 100
        assert metrics["abaco_last_run_timestamp_seconds"] >= metrics["abaco_last_success_timestamp_seconds"] > 0
        assert 0 < metrics["process_start_time_seconds"] <= metrics["abaco_audit_last_event_timestamp_seconds"]
        proc = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
        measured = int(proc.partition("VmRSS:")[2].split()[0])
        assert metrics["process_resident_memory_bytes"] == pytest.approx(measured * 1024, rel=0.2)
        latest = json.loads((tmp_path / "metrics" / LATEST).read_bytes())
        assert metrics['abaco_kpi{name="PAR30"}'] == latest["kpis"]["PAR30"]["value"]
        status, said = running.stop()
    assert status == 0, said
    seen = verify(tmp_path / "audit")
    assert seen.problems == []
    assert [seen.records[0]["event"], seen.records[-1]["event"]] == ["service_started", "service_stopped"]


def test_sigterm_finishes_the_tape_at_hand_and_takes_no_other(tmp_path: Path) -> None:
    slow = "\nimport time\n_quick = Inbox.finish\nInbox.finish = lambda *tape: time.sleep(0.5) or _quick(*tape)\n"
    with serving(tmp_path, altered_code(tmp_path, {"inbox.py": slow})) as running:
        running.drop("1.csv", as_csv(draw("A", 20)))
        wait_for(lambda: running.ended("processing", "1.csv"))
        running.drop("2.csv", as_csv(draw("B", 20)))
        status, said = running.stop()
    assert status == 0, said
    assert len(running.ended("done", "1.csv")) == 1
    assert (tmp_path / "inbox" / "2.csv").exists()


def test_it_tells_systemd_that_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with serving(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000") as running:
            assert systemd.recv(200).startswith(b"READY=1")
            assert systemd.recv(200) == b"WATCHDOG=1"
            assert running.stop()[0] == 0
        said = b""
        while said != b"STOPPING=1":
            said = systemd.recv(200)
            assert said in (b"WATCHDOG=1", b"STOPPING=1")


def test_a_config_of_another_release_is_refused(tmp_path: Path) -> None:
    run = run_kpi("serve", "--config", str(write_config(tmp_path)), ABACO_RELEASE="another")
    assert run.returncode == 2
    assert "this is release another" in run.stderr
