"""A snapshot of a service that really runs: all values, and each kind of trouble as it shows there; what is not measured is null."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kpi.audit import TRAIL, verify
from kpi.config import PipelineConfig
from kpi.outputs import LATEST
from kpi.snapshot import snapshot
from kpi.synthetic import as_csv, draw
from kpi.validation import canaries
from kpi.verdict import Verdict
from legacy.deliver_tapes import Deliverer
from tests.kpi.conftest import Running, altered, altered_code, serving, wait_for, write_config

pytestmark = pytest.mark.process


def _look(running: Running) -> dict[str, Any]:
    return snapshot(running.config)[1]


def _deliver(running: Running, count: int = 2) -> None:
    running.deliver(count, rows=50)
    wait_for(lambda: _look(running)["tapes"]["processed"] >= count)  # counted a moment after it was moved


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("live")) as running:
        _deliver(running, 3)
        yield running


def test_a_sound_service_is_measured_as_a_whole(live: Running) -> None:
    verdict, seen = snapshot(live.config)
    assert (verdict, seen["status"], seen["errors_found"]) == (Verdict.PASS, "PASS", [])
    assert (seen["pid"], seen["release"]) == (live.process.pid, "unreleased")
    assert seen["tapes"] == {"processed": 3, "rejected": 0, "failed": 0, "duplicate": 0}
    assert set(seen["canaries"].values()) == {0}
    assert (seen["errors"], seen["rows"]) == (0, {"read": 150, "used": 150, "quarantined": 0})
    latest = json.loads((live.root / "metrics" / LATEST).read_bytes())
    assert seen["kpis"] == {name: kpi["value"] for name, kpi in latest["kpis"].items()}
    assert (seen["latency"]["count"], seen["latency"]["at_hand_s"], seen["latency"]["waiting_s"]) == (3, 0.0, 0.0)
    assert 0 < seen["latency"]["sum_s"] < 20
    audit = seen["audit"]
    assert (audit["events"], audit["problems"], audit["runs"]) == (verify(live.root / "audit").seq, [], 3)
    assert 0 <= audit["silence_s"] < 3600
    stock = {name: seen["stock"][name] for name in ("arrivals", "done", "in_flight", "lost_count", "doubled_count")}
    assert stock == {"arrivals": 3, "done": 3, "in_flight": 0, "lost_count": 0, "doubled_count": 0}
    assert (seen["outputs"]["missing"], seen["outputs"]["stale"]) == ([], [])
    assert seen["outputs"]["newest_age_s"] >= 0


def test_a_cut_trail_is_seen_also_where_its_head_was_cut_back_with_it(live: Running) -> None:
    trail, head = live.root / "audit" / TRAIL, live.root / "audit" / "head.json"
    *kept, _ = trail.read_bytes().splitlines(keepends=True)
    last = json.loads(kept[-1])
    with altered(trail, lambda _: b"".join(kept)):
        cut = _look(live)["audit"]["problems"]
        with altered(head, lambda _: json.dumps({"seq": last["seq"], "hash": last["hash"]}).encode()):
            both = _look(live)["audit"]["problems"]
    assert any("the trail was cut" in problem for problem in cut)
    assert both == [f"the service has recorded {last['seq'] + 1} events, the trail ends at {last['seq']}"]
    assert _look(live)["audit"]["problems"] == []


def test_a_trail_that_is_gone_is_seen(live: Running) -> None:
    with altered(live.root / "audit"):
        audit = _look(live)["audit"]
    assert (audit["events"], audit["last_event_at"], audit["silence_s"]) == (0, None, None)
    assert "there are no events" in audit["problems"]


def test_missing_and_empty_outputs_of_the_newest_tape_are_seen(live: Running) -> None:
    newest = live.root / "metrics" / f"v2_{live.tapes()[-1].name[:16]}"
    empty = altered(newest.with_suffix(".csv"), lambda _: b"")
    with empty, altered(newest.with_suffix(".json")), altered(newest.with_suffix(".manifest.json")):
        missing = _look(live)["outputs"]["missing"]
    assert sorted(missing) == ["csv", "json", "manifest.json"]


def test_stale_outputs_are_seen(live: Running) -> None:
    path = live.root / "metrics" / f"v2_{live.tapes()[-1].name[:16]}.csv"
    written = path.stat()
    os.utime(path, (written.st_atime, written.st_mtime - 600))
    old = {"finished_at": "2026-01-01T00:00:00Z"}
    with altered(live.root / "metrics" / LATEST, lambda latest: json.dumps(json.loads(latest) | old).encode()):
        outputs = _look(live)["outputs"]
    os.utime(path, (written.st_atime, written.st_mtime))
    assert outputs["stale"] == ["csv", LATEST]


def test_canaries_and_refused_tapes_are_counted_apart(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        _deliver(running)
        running.drop("bad.csv", as_csv(draw("C", 50)))
        sent = canaries.build("t", running.config)
        canaries.send(running.config, sent)
        wait_for(lambda: sum(_look(running)["canaries"].values()) == len(sent))
        seen = _look(running)
        canaries.clean_up(running.config, sent)
    assert (seen["tapes"]["processed"], seen["tapes"]["rejected"], seen["errors"]) == (2, 1, 1)
    assert (seen["audit"]["runs"], seen["stock"]["unledgered"]) == (3, ["bad.csv"])


def test_a_service_that_is_down_has_null_for_what_only_it_could_say(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        _deliver(running)
        assert running.stop()[0] == 0
        verdict, seen = snapshot(running.config)
    assert (verdict, seen["status"], seen["release"], seen["pid"]) == (Verdict.INCONCLUSIVE, "INCONCLUSIVE", None, None)
    assert [seen[name] for name in ("tapes", "canaries", "errors", "rows", "kpis")] == [None] * 5
    assert (seen["latency"]["count"], seen["latency"]["sum_s"], seen["latency"]["at_hand_s"]) == (None, None, 0.0)
    assert (seen["audit"]["problems"], seen["audit"]["runs"], seen["stock"]["done"]) == ([], 2, 2)
    (why,) = seen["errors_found"]
    assert "nothing answers" in why


def test_one_that_hangs_is_seen_by_what_waits_for_it(tmp_path: Path) -> None:
    stuck = {"inbox.py": "\nimport time\nInbox.finish = lambda *tape: time.sleep(60)\n"}
    with serving(tmp_path, altered_code(tmp_path, stuck)) as running:
        deliverer = Deliverer(tmp_path)
        deliverer.deliver("A", 20)
        wait_for(lambda: list((tmp_path / "processing").glob("*__tape-*")))
        running.process.send_signal(signal.SIGSTOP)
        first = _look(running)
        wait_for(lambda: _look(running)["latency"]["at_hand_s"] > first["latency"]["at_hand_s"] + 0.5)
        deliverer.deliver("A", 20)
        seen = _look(running)
        running.process.send_signal(signal.SIGCONT)
    assert (seen["tapes"], seen["stock"]["in_flight"], seen["stock"]["lost_count"]) == (None, 2, 0)
    assert seen["latency"]["waiting_s"] >= seen["latency"]["at_hand_s"] > 0.5
    assert "timed out" in seen["errors_found"][0]


def test_without_a_ledger_the_stock_is_unknown_and_not_empty(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        verdict, seen = snapshot(running.config)
    assert (verdict, seen["stock"], seen["latency"]["waiting_s"]) == (Verdict.INCONCLUSIVE, None, None)
    assert "a lost tape could not be noticed" in seen["errors_found"][0]
    assert (seen["kpis"], seen["outputs"]) == ({}, {"missing": [], "newest_age_s": None, "stale": []})


def test_rooms_that_are_gone_are_said(tmp_path: Path) -> None:
    (tmp_path / "arrivals.jsonl").write_text("")
    verdict, seen = snapshot(PipelineConfig.load(write_config(tmp_path)))
    assert (verdict, seen["stock"], seen["latency"]["at_hand_s"]) == (Verdict.INCONCLUSIVE, None, None)
    assert [line.partition(":")[0] for line in seen["errors_found"][1:]] == ["latency", "stock"]
