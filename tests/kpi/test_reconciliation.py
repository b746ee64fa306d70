"""The account of all tapes: lost, done twice, late or waiting; and what /metrics says of it."""

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from kpi import clock, reconciliation
from kpi.config import PipelineConfig
from kpi.exposition import Exposition
from kpi.reconciliation import Reconciliation
from kpi.validation import ledger
from tests.kpi.conftest import wait_for

FIGURES = ("abaco_tape_waiting_seconds", "abaco_tapes_lost", "abaco_tapes_doubled")


def key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def deliver(config: PipelineConfig, name: str, *rooms: str, age_s: float = 0.0) -> None:
    """Enter a tape into the ledger, and lay it into rooms."""
    at = clock.stamp(clock.now() - timedelta(seconds=age_s))
    with config.arrivals.open("a") as arrivals:
        arrivals.write(json.dumps({"name": name, "sha256": key(name), "at": at}) + "\n")
    for room in rooms:
        (config.paths[room] / (name if room == "inbox" else f"{key(name)}__{name}")).touch()


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


@pytest.fixture
def settled(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> PipelineConfig:
    """Many tapes that ended long ago, each tenth of them rejected."""
    monkeypatch.setattr(ledger, "SECOND_LOOK_SECONDS", 0.0)
    for number in range(50):
        deliver(config, f"tape-{number}.csv", "done" if number % 10 else "rejected", age_s=1e6)
    return config


@pytest.mark.parametrize("newest", [1, 49, 500, None])
def test_the_account_is_exact_and_the_newest_alone_come_to_the_same(
    settled: PipelineConfig, newest: int | None
) -> None:
    stock = ledger.reconcile(settled, newest)
    assert (stock.arrivals, stock.done, stock.rejected, stock.lost, stock.doubled) == (50, 45, 5, [], [])
    deliver(settled, "tape-7.csv", age_s=1e6)
    again = settled.paths["rejected"] / f"{key('tape-7.csv')}__tape-7.csv.duplicate-1"
    again.touch()
    again.with_name(f"{again.name}.reason.json").touch()
    deliver(settled, "new.csv", "inbox", age_s=50)
    with settled.arrivals.open("a") as arrivals:
        arrivals.write('no line\n{"name": 1, "sha256": [], "at": 2}\n{"name": "x", "sha256": "y", "at": "z"}\n')
    stock = ledger.reconcile(settled, newest)
    assert (stock.arrivals, stock.done, stock.rejected, stock.duplicates, stock.in_flight) == (52, 45, 5, 1, 1)
    assert (stock.lost, stock.doubled, stock.unledgered) == ([], [], [])
    assert stock.unreadable == ["line 53", "line 54", "line 55"]
    assert 50 <= stock.waiting_s < 60


def lose(config: PipelineConfig) -> None:
    next(config.paths["done"].glob("*__tape-3.csv")).unlink()


def double(config: PipelineConfig) -> None:
    (config.paths["rejected"] / f"{key('tape-5.csv')}__tape-5.csv").touch()


def add_a_stranger(config: PipelineConfig) -> None:
    (config.paths["done"] / f"{'a' * 64}__stranger.csv").touch()


def leave_one_behind(config: PipelineConfig) -> None:
    tape = next(config.paths["done"].glob("*__tape-3.csv"))
    tape.rename(config.paths["processing"] / tape.name)


@pytest.mark.parametrize(
    ("trouble", "named"),
    [
        (lose, {"lost": "tape-3.csv"}),
        (double, {"doubled": "tape-5.csv"}),
        (add_a_stranger, {"unledgered": "stranger.csv"}),
        (leave_one_behind, {"late": "tape-3.csv"}),
    ],
)
@pytest.mark.parametrize("newest", [10, None])
def test_trouble_of_an_old_tape_upsets_the_balance_and_is_named(
    settled: PipelineConfig, trouble: Callable[[PipelineConfig], None], named: dict[str, str], newest: int | None
) -> None:
    trouble(settled)
    stock = ledger.reconcile(settled, newest)
    found = {name: getattr(stock, name) for name in ("lost", "doubled", "late", "unledgered", "unreadable")}
    assert {name: len(tapes) for name, tapes in found.items() if tapes} == dict.fromkeys(named, 1)
    assert all(tape in found[name][0] for name, tape in named.items())
