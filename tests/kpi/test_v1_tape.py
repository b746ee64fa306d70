"""Real input for validation where none is delivered: the newest tape that V1 really did, through V2 in service, held against V1's."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from kpi.audit import is_production_end, records_since
from kpi.checking import Check
from kpi.outputs import LATEST
from kpi.synthetic import as_csv, draw
from kpi.validation import v1_tape, validate
from kpi.validation.canaries import CanaryAnswer
from kpi.verdict import Verdict
from legacy.abaco_v1.pipeline_v1 import PipelineV1
from tests.kpi.conftest import Running, serving, v1_config

NUMBERS = count()
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_delivery_is_waited_for")]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("live")) as running:
        yield running


def _by_v1(running: Running, content: bytes) -> Path:
    """Have V1 do this tape, in a place of its own, and leave it as a cutover finds it; where it lies in done/ then."""
    place = running.root / "v1"
    place.mkdir(exist_ok=True)
    config = yaml.safe_load(v1_config(place).read_text(encoding="utf-8"))
    key, number = hashlib.sha256(content).hexdigest(), next(NUMBERS)
    name = f"tape-{number:04}.csv"
    with (running.root / "arrivals.jsonl").open("a") as ledger:
        ledger.write(json.dumps({"name": name, "sha256": key, "at": "2026-01-01T00:00:00Z"}) + "\n")
    v1 = PipelineV1(config)
    claimed = place / "processing" / f"{key}__{name}"
    claimed.write_bytes(content)
    v1.finish(claimed)
    recorded = running.root / "metrics" / f"v1_{key[:16]}.json"
    shutil.move(place / "metrics" / recorded.name, recorded)
    shutil.move(place / "metrics" / LATEST, running.root / "metrics" / LATEST)
    os.utime(recorded, (2e9 + number, 2e9 + number))  # the newest, however fast the clock of the file system ticks
    done = running.root / "done" / claimed.name
    shutil.move(place / "done" / claimed.name, done)
    return done


def _sound(seed: int) -> bytes:
    return as_csv(draw("A", 50, seed), f"v1-{seed}-")


def _check(running: Running) -> Check:
    return validate(running.config).checks[0]


def _codes(check: Check) -> set[str]:
    return {finding.code for _, finding in check.issues}


def test_v1s_newest_tape_goes_through_v2_and_agrees_and_counts_nowhere(live: Running) -> None:
    _by_v1(live, _sound(1))
    tape = _by_v1(live, _sound(2))
    tape.chmod(0o640)
    before = {path: path.read_bytes() for path in (live.root / "metrics").iterdir() if path.is_file()}
    check = _check(live)
    assert (check.status, _codes(check)) == (Verdict.PASS, set())  # though nothing was delivered
    seen = check.values["v1_tape"]
    assert (seen["tape"], seen["ended_in"], seen["outcome"]) == (tape.name.partition("__")[2], "done", "agree")
    assert set(seen["kpis"]) == {"PAR30", "PAR90", "CollectionRate", "PortfolioHealth"}
    assert all(kpi["relative"] <= 1e-9 for kpi in seen["kpis"].values())
    assert check.n == 1
    # Nothing of it stays, and nothing of production has moved
    for room in ("inbox", "done/canary", "rejected/canary", "metrics/canary"):
        assert [path for path in (live.root / room).iterdir() if path.is_file()] == []
    assert {path: path.read_bytes() for path in (live.root / "metrics").iterdir() if path.is_file()} == before
    digest = hashlib.sha256(_sound(2)).hexdigest()
    ran = [one for one in records_since(live.root / "audit", "") if one["details"].get("sha256") == digest]
    assert ran
    assert not any(is_production_end(one) for one in ran)


def test_a_value_that_is_not_v1s_fails_by_its_name(live: Running) -> None:
    tape = _by_v1(live, _sound(3))
    path = live.root / "metrics" / f"v1_{tape.name[:16]}.json"
    document: dict[str, Any] = json.loads(path.read_text())
    document["metrics"]["PAR90"] *= 1.02
    times = path.stat()
    path.write_text(json.dumps(document))
    os.utime(path, (times.st_mtime, times.st_mtime))
    check = _check(live)
    assert check.status is Verdict.FAIL
    (found,) = [finding.found for _, finding in check.issues if finding.code == "v1_tape_differs"]
    assert tape.name.partition("__")[2] in found
    assert "PAR90" in found


def test_a_tape_that_v1_accepts_and_v2_refuses_fails_by_its_name_and_reason(live: Running) -> None:
    tape = _by_v1(live, as_csv(draw("C", 40), "v1-c-"))
    check = _check(live)
    assert check.status is Verdict.FAIL
    (found,) = [finding.found for _, finding in check.issues if finding.code == "v1_tape_refused"]
    assert tape.name.partition("__")[2] in found
    assert "out_of_range: PAR30" in found


def test_a_tape_of_several_dates_is_not_compared_and_that_is_seen(live: Running) -> None:
    head, *rows = as_csv(draw("A", 20), "v1-d-").decode().splitlines()
    other = [row.replace("2025-12-26", "2025-12-27") for row in rows[10:]]
    _by_v1(live, "\n".join([head, *rows[:10], *other, ""]).encode())
    check = _check(live)
    assert check.status is Verdict.WARN
    assert {"v1_tape_of_several_dates", "no_delivery"} <= _codes(check)


def test_a_newer_tape_that_is_gone_or_too_large_leaves_the_one_before(
    live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = _by_v1(live, _sound(901))
    _by_v1(live, as_csv(draw("A", 500, 902), "v1-l-"))
    _by_v1(live, _sound(903)).unlink()
    monkeypatch.setattr(v1_tape, "MOST_BYTES", fits.stat().st_size)
    (copy,) = v1_tape.copies("t", live.config)
    assert (copy.delivery.content, copy.delivery.digest) == (fits.read_bytes(), fits.name[:64])
    assert copy.delivery.name == f"canary-t-{v1_tape.KIND}.csv"
    monkeypatch.setattr(v1_tape, "MOST_BYTES", 100)
    assert v1_tape.copies("t", live.config) == []


@pytest.mark.parametrize("answer", [("", {}), ("done", {})])
def test_a_copy_that_v2_gives_no_metrics_of_is_inconclusive(live: Running, answer: tuple[str, dict[str, Any]]) -> None:
    _by_v1(live, _sound(904))
    (copy,) = v1_tape.copies("t", live.config)
    check = Check("kpi_calculations")
    room, metrics = answer
    assert v1_tape.judge_v1_tape(check, [CanaryAnswer(copy, room, 1.0, {}, metrics)]) is False
    assert (check.status, _codes(check)) == (Verdict.INCONCLUSIVE, {"v1_tape_unanswered"})
