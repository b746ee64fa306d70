"""What /metrics says of tapes that are lost, done twice, waiting or at hand."""

import hashlib
import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from kpi import clock, reconciliation
from kpi.config import PipelineConfig
from kpi.exposition import Exposition
from kpi.reconciliation import Reconciliation
from kpi.synthetic import as_csv, draw
from kpi.validation import ledger
from kpi.validation.live import ask_metrics
from tests.kpi.conftest import altered_code, serving, wait_for, write_config

STUCK = "import threading\nInbox.finish = lambda *tape: threading.Event().wait()\n\n\ndef _has("
FIGURES = ("abaco_tape_waiting_seconds", "abaco_tapes_lost", "abaco_tapes_doubled")


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    """Rooms without a tape, and no ledger."""
    config = PipelineConfig.load(write_config(tmp_path))
    for path in config.paths.values():
        path.mkdir(parents=True, exist_ok=True)
    return config


def deliver(config: PipelineConfig, name: str, *rooms: str, age_s: float = 0.0) -> None:
    """Enter a tape into the ledger, and lay it into rooms."""
    key = hashlib.sha256(name.encode()).hexdigest()
    at = clock.stamp(clock.now() - timedelta(seconds=age_s))
    with config.arrivals.open("a") as arrivals:
        arrivals.write(json.dumps({"name": name, "sha256": key, "at": at}) + "\n")
    for room in rooms:
        (config.paths[room] / (name if room == "inbox" else f"{key}__{name}")).touch()


def shown(taking: Reconciliation) -> list[float | None]:
    """The three values; None for one that is missing."""
    out = Exposition()
    taking.expose(out)
    samples = dict(line.split(" ") for line in out.text().splitlines() if not line.startswith("#"))
    return [float(samples[name]) if name in samples else None for name in FIGURES]


def test_without_a_ledger_the_samples_are_missing_and_are_not_0(config: PipelineConfig) -> None:
    assert shown(Reconciliation(config)) == [None, None, None]
    config.arrivals.mkdir()
    assert shown(Reconciliation(config)) == [None, None, None]


def test_tapes_that_are_nowhere_done_twice_or_waiting_are_counted(config: PipelineConfig) -> None:
    deliver(config, "1.csv", "done")
    assert shown(Reconciliation(config)) == [0.0, 0.0, 0.0]
    deliver(config, "2.csv")
    deliver(config, "3.csv", "done", "rejected")
    deliver(config, "4.csv", "inbox", age_s=50)
    waiting, lost, doubled = shown(Reconciliation(config))
    assert waiting is not None
    assert 50 <= waiting < 60
    assert (lost, doubled) == (1.0, 1.0)


def test_however_often_it_is_asked_stock_is_taken_every_few_seconds(
    config: PipelineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(config, "1.csv", "done")
    taking = Reconciliation(config)
    assert shown(taking) == [0.0, 0.0, 0.0]
    deliver(config, "2.csv")
    assert shown(taking) == [0.0, 0.0, 0.0]
    monkeypatch.setattr(reconciliation, "EVERY_SECONDS", 0.0)
    assert shown(taking) == [0.0, 1.0, 0.0]


def test_an_account_that_takes_long_does_not_hold_up_the_answer(
    config: PipelineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(config, "1.csv")
    counted, quick = threading.Event(), ledger.reconcile

    def slow(config: PipelineConfig, newest: int) -> ledger.Stock:
        assert counted.wait(20)
        return quick(config, newest)

    monkeypatch.setattr(reconciliation, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(ledger, "reconcile", slow)
    taking = Reconciliation(config)
    assert [shown(taking) for _ in range(3)] == [[None, None, None]] * 3
    counted.set()
    assert wait_for(lambda: shown(taking)[1]) == 1.0


@pytest.mark.process
def test_a_service_that_hangs_shows_how_old_the_tape_at_hand_is(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with serving(root, altered_code(tmp_path, "inbox.py", "def _has(", STUCK)) as running:
        before = ask_metrics(running.config)
        assert before["abaco_tape_at_hand_seconds"] == 0.0
        (root / "inbox" / "1.csv").write_bytes(as_csv(draw("A", 20)))
        wait_for(lambda: ask_metrics(running.config)["abaco_tape_at_hand_seconds"] > 0.3)
        assert ask_metrics(running.config)["process_start_time_seconds"] == before["process_start_time_seconds"]
        running.process.kill()
        running.process.wait()
