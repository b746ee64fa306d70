"""The service as its unit runs it: readiness, health, metrics, poisoned tapes, SIGTERM."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kpi.audit import verify
from kpi.outputs import LATEST
from kpi.synthetic import as_csv, draw
from kpi.validation.live import ask_health, ask_metrics
from tests.checkout import ROOT
from tests.kpi.conftest import Running, altered_code, serving, wait_for
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process


def _drop(running: Running, name: str, content: bytes) -> None:
    part = running.root / "inbox" / f".{name}.part"
    part.write_bytes(content)
    part.rename(running.root / "inbox" / name)


def _ended(running: Running, room: str, name: str) -> list[Path]:
    return list((running.root / room).glob(f"*__{name}"))


def test_it_answers_counts_and_stops_cleanly(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        health = ask_health(running.config)
        assert (health.status, health.why_not, health.document["last_run"]) == (200, "", None)
        assert health.document["pid"] == running.process.pid
        _drop(running, "1.csv", as_csv(draw("A", 50)))
        _drop(running, "2.csv", as_csv(draw("C", 50)))
        wait_for(lambda: _ended(running, "done", "1.csv") and _ended(running, "rejected", "2.csv"))
        metrics = wait_for(
            lambda: (seen := ask_metrics(running.config))['abaco_tapes_total{outcome="rejected"}'] and seen
        )
        assert metrics['abaco_tapes_total{outcome="processed"}'] == 1
        assert (metrics["abaco_rows_total"], metrics["abaco_tape_latency_seconds_count"]) == (50, 2)
        assert metrics['abaco_tape_latency_seconds_bucket{le="+Inf"}'] == 2
        latest = json.loads((tmp_path / "metrics" / LATEST).read_bytes())
        assert metrics['abaco_kpi{name="PAR30"}'] == latest["kpis"]["PAR30"]["value"]
        status, said = running.stop()
    assert status == 0, said
    seen = verify(tmp_path / "audit")
    assert seen.problems == []
    assert [seen.records[0]["event"], seen.records[-1]["event"]] == ["service_started", "service_stopped"]


def test_poisoned_tapes_never_stop_it(tmp_path: Path) -> None:
    poisons = [b"", b"\x00" * 1000, b"\xff\xfe" * 100, b'"', b"PAR1" + os.urandom(100), b"a,b\n" * 50]
    with serving(tmp_path) as running:
        for number, poison in enumerate(poisons):
            _drop(running, f"{number}.csv", poison)
        _drop(running, "sound.csv", as_csv(draw("A", 20)))
        wait_for(lambda: _ended(running, "done", "sound.csv"))
        assert ask_health(running.config).why_not == ""
        for number in range(len(poisons)):
            assert len(_ended(running, "rejected", f"{number}.csv")) == 1
        assert running.stop()[0] == 0


def test_what_was_claimed_before_a_crash_is_finished_first(tmp_path: Path) -> None:
    content = as_csv(draw("A", 20))
    (tmp_path / "processing").mkdir()
    (tmp_path / "processing" / f"{hashlib.sha256(content).hexdigest()}__1.csv").write_bytes(content)
    with serving(tmp_path) as running:
        wait_for(lambda: _ended(running, "done", "1.csv"))
        assert running.stop()[0] == 0
    assert verify(tmp_path / "audit").problems == []


def test_sigterm_finishes_the_tape_at_hand_and_takes_no_other(tmp_path: Path) -> None:
    slow = "import time\n_quick = Inbox.finish\nInbox.finish = lambda *tape: time.sleep(0.5) or _quick(*tape)\n\n\ndef _has("
    root = tmp_path / "root"
    root.mkdir()
    with serving(root, altered_code(tmp_path, "inbox.py", "def _has(", slow)) as running:
        _drop(running, "1.csv", as_csv(draw("A", 20)))
        wait_for(lambda: _ended(running, "processing", "1.csv"))
        _drop(running, "2.csv", as_csv(draw("B", 20)))
        status, said = running.stop()
    assert status == 0, said
    assert len(_ended(running, "done", "1.csv")) == 1
    assert (root / "inbox" / "2.csv").exists()


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


def test_a_second_service_on_the_same_root_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        command = [sys.executable, "-m", "kpi", "serve", "--config", str(running.config_path)]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert second.returncode == 2
        assert "another process writes this audit trail" in second.stderr


def test_a_config_of_another_release_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        config = running.config_path
        running.stop()
    command = [sys.executable, "-m", "kpi", "serve", "--config", str(config)]
    environment = {**os.environ, "ABACO_RELEASE": "another"}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert run.returncode == 2
    assert "this is release another" in run.stderr


def test_serving_imports_neither_pandas_nor_a_template_engine() -> None:
    code = "import sys, kpi.service; print([name for name in ('pandas', 'jinja2', 'yaml') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
