"""The review of the log: each thing that it judges is judged by what stands in the trail, and canaries count nowhere."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kpi import clock
from kpi.audit import TRAIL, AuditTrail, Event
from kpi.config import PipelineConfig
from kpi.logreview import review
from kpi.text_output import lines

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
LIMITS = {  # of the example config; the table below stands at their edges
    "errors_per_hour": {"warn": 5},
    "audit_events_per_hour": {"warn": 100},
    "kpi_latency_ms": {"warn": 100, "critical": 500, "rollback": 60000},
}
EVENTS_A_TAPE = 3


@dataclass(frozen=True)
class Tape:
    """One tape that went through the service: how long ago, for how long, of how many rows, with which codes."""

    minutes_ago: float
    ms: float = 20.0
    rows: int = 1000
    codes: tuple[str, ...] = ()
    canary: bool = False

    def events(self, number: int) -> list[Event]:
        """Its records, as the pipeline writes them, but for the KPIs."""
        name = f"{'canary-' if self.canary else ''}tape-{number}.csv"
        known = {"run_id": f"r{number}", "tape": name, "sha256": f"{number:064x}", "canary": self.canary}
        latency = {"ingest": self.ms / 4, "calculate": self.ms / 2, "output": self.ms / 4}
        how, status = ("run_failed", "error") if self.codes else ("run_completed", "ok")
        return [
            Event("tape_ingested", details={**known, "rows": self.rows}),
            Event("outputs_written", details=known),
            Event(how, status, {**known, "codes": list(self.codes), "latency_ms": latency}),
        ]


Review = Callable[..., dict[str, Any]]


@pytest.fixture
def reviewed(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> Review:
    """The review of so many hours of a trail with these tapes, after a change of the trail's bytes."""

    def of(tapes: Iterable[Tape], hours: float = 2.0, change: Callable[[bytes], bytes] = bytes) -> dict[str, Any]:
        assert {name: config.limits(name) for name in LIMITS} == LIMITS
        trail = AuditTrail(config.paths["audit"], "test")
        for number, tape in enumerate(sorted(tapes, key=lambda one: -one.minutes_ago)):
            monkeypatch.setattr(clock, "now", lambda at=NOW - timedelta(minutes=tape.minutes_ago): at)
            trail.record(tape.events(number))
        trail.close()
        path = config.paths["audit"] / TRAIL
        path.write_bytes(change(path.read_bytes()))
        monkeypatch.setattr(clock, "now", lambda: NOW)
        return review(config, NOW - timedelta(hours=hours))

    return of


def busy(minutes: int = 120, **more: Any) -> list[Tape]:
    """A tape a minute, which is more than enough events an hour."""
    return [Tape(minute + 0.5, **more) for minute in range(minutes)]


def failing(count: int, *codes: str, ago: float = 5.0) -> list[Tape]:
    return [Tape(ago, codes=codes or ("out_of_range",)) for _ in range(count)]


def cut(content: bytes) -> bytes:
    """Without its second record."""
    first, _, rest = content.split(b"\n", 2)
    return first + b"\n" + rest


CANARIES = [Tape(minute + 0.5, ms=9000, codes=("empty_tape",), canary=True) for minute in range(120)]


@pytest.mark.parametrize(
    ("tapes", "hours", "change", "status", "codes"),
    [
        (busy(), 2, bytes, "PASS", set()),
        # errors an hour: of the whole time, and as a plain number while the first hour is not over
        ([*busy(), *failing(10)], 2, bytes, "PASS", set()),
        ([*busy(), *failing(11)], 2, bytes, "WARN", {"errors_per_hour_warn"}),
        ([*busy(30), *failing(5)], 0.5, bytes, "PASS", set()),
        ([*busy(30), *failing(6)], 0.5, bytes, "WARN", {"errors_per_hour_warn"}),
        ([*busy(), *failing(11, ago=130)], 2, bytes, "PASS", set()),  # before the time that is reviewed
        # events an hour: not before there was an hour
        (busy(66), 2, bytes, "WARN", {"audit_events_per_hour_warn"}),
        (busy(67), 2, bytes, "PASS", set()),
        ([Tape(1)], 0.99, bytes, "PASS", set()),
        ([Tape(1)], 1, bytes, "WARN", {"audit_events_per_hour_warn"}),
        # latency: the median, for 1000 rows; critical after ten minutes, as the table says
        (busy(ms=100), 2, bytes, "PASS", set()),
        (busy(ms=101), 2, bytes, "WARN", {"kpi_latency_ms_warn"}),
        (busy(ms=501), 2, bytes, "FAIL", {"kpi_latency_ms_critical"}),
        (busy(9, ms=501), 0.15, bytes, "WARN", {"kpi_latency_ms_warn"}),
        (busy(9, ms=60001), 0.15, bytes, "FAIL", {"kpi_latency_ms_rollback"}),
        (busy(ms=501, rows=100_000), 2, bytes, "PASS", set()),
        (busy(ms=101, rows=1), 2, bytes, "WARN", {"kpi_latency_ms_warn"}),
        ([*busy(), *(Tape(5, ms=9000) for _ in range(100))], 2, bytes, "PASS", set()),  # fewer than half
        # the chain
        (busy(), 2, cut, "FAIL", {"audit_chain"}),
        (busy(), 2, lambda trail: trail.replace(b'"rows": 1000', b'"rows": 1001', 1), "FAIL", {"audit_chain"}),
        # canaries: neither their errors nor their times count, and they are no sign of life
        ([*busy(), *CANARIES], 2, bytes, "PASS", set()),
        (CANARIES, 2, bytes, "WARN", {"no_events", "audit_events_per_hour_warn"}),
        ([], 0.5, bytes, "INCONCLUSIVE", {"no_events"}),
        ([*busy(10), Tape(150)], 0.1, bytes, "PASS", set()),
    ],
)
def test_the_log_is_judged_by_what_stands_in_it(
    reviewed: Review, tapes: list[Tape], hours: float, change: Callable[[bytes], bytes], status: str, codes: set[str]
) -> None:
    document = reviewed(tapes, hours, change)
    assert {issue["code"] for issue in document["issues"]} == codes
    assert document["status"] == status
    assert all(issue["where"] == "log_review" and issue["next"] for issue in document["issues"])


def test_figures_and_thresholds_are_shown(reviewed: Review) -> None:
    tapes = [Tape(1, ms=ms) for ms in (10, 20, 30, 40, 1000)] + failing(1) + [Tape(2, canary=True)]
    document = reviewed(tapes, 0.5)
    shown = document["values"]
    assert shown["events"] == {"tape_ingested": 6, "outputs_written": 6, "run_completed": 5, "run_failed": 1}
    assert (document["n"], shown["canary_events"]) == (6 * EVENTS_A_TAPE, EVENTS_A_TAPE)
    assert (shown["runs"], shown["runs_failed"], shown["errors_per_hour"]) == (6, 1, 1)
    assert shown["audit_events_per_hour"] is None
    assert shown["latency_ms"] == {"median": 25.0, "max": 1000.0, "p95": 1000.0}
    assert (shown["kpi_latency_ms"], shown["hours"]) == (25.0, 0.5)
    assert set(document["thresholds"]) == {"errors_per_hour", "kpi_latency_ms"}


def test_the_newest_errors_are_listed_with_their_reasons_and_named(reviewed: Review) -> None:
    tapes = [*failing(24, "missing_columns", ago=20), Tape(1, codes=("out_of_range", "par_order"))]
    tapes.append(Tape(0.5, codes=("empty_tape",), canary=True))
    document = reviewed(tapes, 0.5)
    assert len(document["errors"]) == 20
    assert document["errors"][-1] == {
        "at": "2026-01-02T11:59:00.000000Z",
        "event": "run_failed",
        "tape": "tape-24.csv",
        "codes": ["out_of_range", "par_order"],
    }
    (issue,) = document["issues"]
    assert "tape-24.csv (out_of_range, par_order)" in issue["found"]
    printed = "\n".join(lines("log-review", document))
    assert issue["found"] in printed
    assert "run_failed tape-24.csv" in printed
