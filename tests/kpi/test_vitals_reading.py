"""What a look reads: the newest part of the trail tied to the sealed ones, runs counted on, an exact account of many tapes."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kpi.audit import Event, is_production, is_production_end, production, records_since, verify
from kpi.config import PipelineConfig
from kpi.validation.ledger import Stock, reconcile
from tests.kpi.conftest import write_config
from tests.kpi.trails import writing


def test_runs_are_counted_on_through_sealed_parts_and_a_new_start(tmp_path: Path) -> None:
    def run(number: int, *, canary: bool = False) -> Event:
        return Event("run_failed" if number % 3 else "run_completed", details={"canary": canary, "sha256": str(number)})

    counted, events = [], []
    for start in range(3):
        with writing(tmp_path) as trail:
            for number in range(30):
                trail.record([run(100 * start + number), run(number, canary=True), Event("something")])
                seen = production(verify(tmp_path, newest=True).records)
                assert seen == trail.production
                counted.append(seen.runs)
                events.append(seen.events)
    assert counted == list(range(1, 91))
    assert events == list(range(2, 182, 2))
    assert verify(tmp_path).segments > 3
    assert sum(map(is_production_end, records_since(tmp_path, ""))) == 90


def test_canaries_that_fill_parts_do_not_move_the_last_event_of_production(tmp_path: Path) -> None:
    held = {"tape": f"canary-{'0' * 64}__canary-1.csv", "reason": "in the way"}
    with writing(tmp_path) as trail:
        trail.record([Event("service_started")])
        started = next(records_since(tmp_path, ""))["at"]
        for _ in range(30):
            trail.record([Event("run_completed", details={"canary": True}), Event("tape_held", "error", held)])
    assert verify(tmp_path).segments > 3
    seen = production(verify(tmp_path, newest=True).records)
    assert (seen.events, seen.runs, seen.last_at) == (1, 0, started)
    assert sum(map(is_production, records_since(tmp_path, ""))) == 1


@pytest.mark.parametrize("edited", ['"last_at": "never"', '"last_at": 7'])
def test_a_part_whose_beginning_was_edited_is_counted_from_there_and_its_chain_says_so(
    tmp_path: Path, edited: str
) -> None:
    with writing(tmp_path) as trail:
        while not list(tmp_path.glob("trail-0*.jsonl")):
            trail.record([Event("something")])
        last = trail.production.last_at
    path = tmp_path / "trail.jsonl"
    before = path.read_text()
    at = before.index('"last_at": "')
    path.write_text(before[:at] + edited + before[before.index('"', at + len('"last_at": "')) + 1 :])
    seen = verify(tmp_path, newest=True)
    assert any("was edited" in problem.found for problem in seen.problems)
    assert (production(seen.records).events, production(seen.records).last_at) == (1, last)


def test_the_newest_part_alone_is_followed_and_still_tied_to_the_sealed_ones(tmp_path: Path) -> None:
    with writing(tmp_path) as trail:
        for number in range(60):
            trail.record([Event("something", details={"number": number})])
    seen = verify(tmp_path, newest=True)
    assert (seen.problems, seen.seq, seen.digested) == ([], verify(tmp_path).seq, 0)
    assert seen.parsed == len(seen.records) < seen.unread
    first = min(tmp_path.glob("trail-*.jsonl"))
    first.chmod(0o644)
    first.write_bytes(first.read_bytes()[:-1])
    assert [problem.where for problem in verify(tmp_path, newest=True).problems] == [first.name]


def _fill(root: Path, count: int) -> PipelineConfig:
    for room in ("inbox", "processing", "done", "rejected"):
        (root / room).mkdir()
    with (root / "arrivals.jsonl").open("w", encoding="utf-8") as ledger:
        for number in range(count):
            key, name = hashlib.sha256(str(number).encode()).hexdigest(), f"tape-{number}.csv"
            ledger.write(json.dumps({"name": name, "sha256": key, "at": "2026-01-01T00:00:00Z"}) + "\n")
            room = "rejected" if number % 10 == 0 else "done"
            (root / room / f"{key}__{name}").touch()
    return PipelineConfig.load(write_config(root))


def test_the_account_is_exact_among_many_settled_tapes(tmp_path: Path) -> None:
    config = _fill(tmp_path, 200)
    stock = reconcile(config)
    assert (stock.arrivals, stock.done, stock.rejected, stock.lost, stock.doubled) == (200, 180, 20, [], [])
    ledger = tmp_path / "arrivals.jsonl"
    key = hashlib.sha256(b"7").hexdigest()
    again = json.dumps({"name": "tape-7.csv", "sha256": key, "at": "2026-01-01T00:00:00Z"})
    with ledger.open("a", encoding="utf-8") as out:
        out.write(
            f'{again}\nno line\n{{"name": 1, "sha256": [], "at": 2}}\n{{"name": "x", "sha256": "y", "at": "z"}}\n'
        )
    (tmp_path / "rejected" / f"{key}__tape-7.csv.duplicate-1").touch()
    next((tmp_path / "done").glob("*__tape-3.csv")).unlink()
    (tmp_path / "done" / f"{hashlib.sha256(b'5').hexdigest()}__tape-5b.csv").touch()
    stock = reconcile(config)
    assert (stock.arrivals, stock.done, stock.duplicates) == (201, 180, 1)
    assert [one.split()[0] for one in stock.lost] == ["tape-3.csv"]
    assert [one.partition(":")[0] for one in stock.doubled] == ["tape-5.csv"]
    assert stock.unreadable == ["line 202", "line 203", "line 204"]


def _plain(stock: Stock) -> Stock:
    """Without what grows with time."""
    return dataclasses.replace(stock, waiting_s=0.0, late=[])


@pytest.mark.parametrize("newest", [1, 10, 199, 500])
def test_the_newest_alone_come_to_the_same_account(tmp_path: Path, newest: int) -> None:
    config = _fill(tmp_path, 200)
    assert reconcile(config, newest) == reconcile(config)
    key = hashlib.sha256(b"7").hexdigest()
    (tmp_path / "rejected" / f"{key}__tape-7.csv.duplicate-1").touch()
    (tmp_path / "rejected" / f"{key}__tape-7.csv.duplicate-1.reason.json").touch()
    with (tmp_path / "arrivals.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps({"name": "tape-7.csv", "sha256": key, "at": "2026-01-01T00:00:00Z"}) + "\n")
        out.write(json.dumps({"name": "new.csv", "sha256": "0" * 64, "at": "2026-01-01T00:00:00Z"}) + "\nno line\n")
    (tmp_path / "inbox" / "new.csv").touch()
    stock = reconcile(config, newest)
    assert _plain(stock) == _plain(reconcile(config))
    assert (stock.arrivals, stock.duplicates, stock.in_flight, stock.unreadable) == (202, 1, 1, ["line 203"])
    assert stock.waiting_s > 0


def _lose(root: Path) -> None:
    next((root / "done").glob("*__tape-3.csv")).unlink()


def _double(root: Path) -> None:
    (root / "rejected" / f"{hashlib.sha256(b'5').hexdigest()}__tape-5.csv").touch()


def _lose_one_and_double_another(root: Path) -> None:
    _lose(root)
    _double(root)


def _add_a_stranger(root: Path) -> None:
    (root / "done" / f"{'a' * 64}__stranger.csv").touch()


def _leave_one_behind(root: Path) -> None:
    tape = next((root / "done").glob("*__tape-3.csv"))
    tape.rename(root / "processing" / tape.name)


@pytest.mark.parametrize(
    ("trouble", "named"),
    [
        (_lose, {"lost": 1}),
        (_double, {"doubled": 1}),
        (_lose_one_and_double_another, {"lost": 1, "doubled": 1}),
        (_add_a_stranger, {"unledgered": 1}),
        (_leave_one_behind, {"late": 1}),
    ],
)
def test_trouble_of_an_old_tape_upsets_the_balance_and_is_named(
    tmp_path: Path, trouble: Callable[[Path], None], named: dict[str, int]
) -> None:
    config = _fill(tmp_path, 50)
    trouble(tmp_path)
    stock = reconcile(config, 10)
    found = {name: len(getattr(stock, name)) for name in ("lost", "doubled", "late", "unledgered", "unreadable")}
    assert {name: count for name, count in found.items() if count} == named
