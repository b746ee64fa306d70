"""How long the audit trail has been silent: what the tool's own canaries leave in it is no sign of the service's work."""

from datetime import UTC, datetime, timedelta

import pytest

from kpi import clock
from kpi.audit import AuditTrail, Event
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.snapshot import snapshot
from kpi.validation.audit_trail import audit_trail
from kpi.validation.live import Health, read_trail
from kpi.verdict import Verdict

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
CANARY = Event("run_completed", details={"canary": True, "tape": "canary-1.csv", "sha256": "0" * 64})
HELD = Event("tape_held", "error", {"tape": f"canary-{'0' * 64}__canary-1.csv", "reason": "in the way"})
TAPE = Event(
    "run_completed", details={"canary": False, "tape": "tape-1.csv", "sha256": "1" * 64, "latency_ms": {"output": 1.0}}
)


def _recorded(config: PipelineConfig, monkeypatch: pytest.MonkeyPatch, *events: tuple[float, Event]) -> None:
    """A trail with these events, so many hours ago."""
    trail = AuditTrail(config.paths["audit"], "test", segment_bytes=500)  # so that parts are sealed in between
    for hours_ago, event in events:
        monkeypatch.setattr(clock, "now", lambda at=NOW - timedelta(hours=hours_ago): at)
        trail.record([event])
    trail.close()
    monkeypatch.setattr(clock, "now", lambda: NOW)


def _validated(config: PipelineConfig) -> Check:
    seen = read_trail(config)
    return audit_trail(config, seen, Health(200, {"audit": {"seq": seen.seq}}), [], [], [])


STARTED = Event("service_started")


@pytest.mark.parametrize(
    ("events", "verdict", "silent_hours"),
    [
        ([(5.0, STARTED), *((ago, CANARY) for ago in (4.0, 3.0, 2.0, 0.5)), (0.001, HELD)], Verdict.WARN, 5.0),
        ([(5.0, STARTED), (1.01, TAPE), (0.001, CANARY)], Verdict.WARN, 1.01),
        ([(5.0, STARTED), (0.99, TAPE), (0.001, CANARY)], Verdict.PASS, 0.99),
        ([(0.2, STARTED), (0.001, CANARY)], Verdict.PASS, 0.2),  # it has not had an hour yet
    ],
)
def test_canaries_do_not_break_a_silence(
    config: PipelineConfig,
    monkeypatch: pytest.MonkeyPatch,
    events: list[tuple[float, Event]],
    verdict: Verdict,
    silent_hours: float,
) -> None:
    _recorded(config, monkeypatch, *events)
    check = _validated(config)
    assert (check.status, check.values["audit_silence_seconds"]) == (verdict, pytest.approx(3600 * silent_hours, abs=1))
    seen = snapshot(config)[1]["audit"]
    assert seen["silence_s"] == pytest.approx(3600 * silent_hours, abs=1)
    assert seen["production_events"] == sum(event not in (CANARY, HELD) for _, event in events)
    assert seen["problems"] == []


def test_a_trail_without_any_event_of_production_is_inconclusive(
    config: PipelineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _recorded(config, monkeypatch, (1.0, CANARY))
    assert _validated(config).status is Verdict.INCONCLUSIVE
    assert snapshot(config)[1]["audit"]["silence_s"] is None
