"""Checks of phase 5, asked of this machine: values, audit trail, and that a real tape went through V2, delivered or as a copy of V1's."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cutover.plan.plan import HostPlan
from kpi.audit import AuditTrail, Event
from roles.abaco.checks import validation as checks
from tests.toy import toy_plan

V1S, OTHER = "1" * 64, "2" * 64
SWITCHED = 1_735_689_600  # 2025-01-01: when V2's config was put in place
KPIS: dict[str, Any] = dict.fromkeys(checks.KPIS, 1.5)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A host after phase 4: a tape of V1's is done, V2's config was put in place a while ago, nothing was delivered."""
    for room in ("inbox", "processing", "done/canary", "metrics", "audit"):
        (tmp_path / room).mkdir(parents=True)
    (tmp_path / "done" / f"{V1S}__tape-1.csv").touch()
    (tmp_path / "pipeline.yml").write_text("{}")
    os.utime(tmp_path / "pipeline.yml", (SWITCHED, SWITCHED))
    return tmp_path


@pytest.fixture
def wanted(data: Path) -> HostPlan:
    return toy_plan(variables={"abaco_data": str(data), "abaco_config": str(data / "pipeline.yml")})


def ran(data: Path, digest: str, *, canary: bool, event: str = "run_completed", **values: object) -> None:
    """V2 has computed a tape, by its audit trail."""
    known = {"sha256": digest, "canary": canary, "tape": "any.csv"}
    kpis = [
        Event("kpi_calculated", details={**known, "kpi": kpi, "value": value}) for kpi, value in (KPIS | values).items()
    ]
    trail = AuditTrail(data / "audit", "test")
    trail.record([*kpis, Event(event, details={**known, "latency_ms": {}})])
    trail.close()


def write(data: Path, key: str, kpis: dict[str, Any], *, status: str = "ok", after_s: int = 400) -> None:
    """The metrics of a tape, as V2 writes them so long after the switch."""
    path = data / "metrics" / f"v2_{key}.json"
    path.write_text(json.dumps({"status": status, "kpis": {name: {"value": value} for name, value in kpis.items()}}))
    os.utime(path, (SWITCHED + after_s, SWITCHED + after_s))
    path.with_name(f"v2_{key}.manifest.json").write_text("{}")


def test_a_delivered_tape_is_judged_by_the_newest_that_v2_accepted(host: Any, wanted: HostPlan, data: Path) -> None:
    ran(data, OTHER, canary=False)
    (data / "done" / f"{OTHER}__tape-2.csv").touch()
    write(data, "a", {**KPIS, "PAR30": None}, after_s=-600)
    write(data, "b", KPIS)
    write(data, "c", {}, status="failed", after_s=1400)  # a bad tape is rejected, as it must be
    checks.test_v2_has_computed_a_real_tape(host, wanted)
    checks.test_v2_wrote_all_four_values(host, wanted)


@pytest.mark.parametrize(
    ("kpis", "status", "found"),
    [
        ({**KPIS, "PAR90": None}, "ok", "PAR90"),
        ({**KPIS, "PAR90": float("nan")}, "ok", "PAR90"),
        ({**KPIS, "PAR90": "1.5"}, "ok", "PAR90"),
        ({name: KPIS[name] for name in KPIS if name != "PAR30"}, "ok", "PAR30"),
        ({}, "failed", "accepted none"),
    ],
)
def test_what_is_missing_or_no_finite_number_fails(
    host: Any, wanted: HostPlan, data: Path, kpis: dict[str, Any], status: str, found: str
) -> None:
    write(data, "a", kpis, status=status)
    with pytest.raises(AssertionError, match=found):
        checks.test_v2_wrote_all_four_values(host, wanted)


def test_the_copy_of_v1s_tape_is_a_real_one_and_its_values_are_looked_at(
    host: Any, wanted: HostPlan, data: Path
) -> None:
    ran(data, V1S, canary=True)
    assert checks.real_tapes(host, wanted) == [("tape-1.csv", KPIS)]
    checks.test_v2_has_computed_a_real_tape(host, wanted)
    checks.test_v2_wrote_all_four_values(host, wanted)


def test_a_value_of_the_copy_that_is_no_number_fails(host: Any, wanted: HostPlan, data: Path) -> None:
    ran(data, V1S, canary=True, PAR30=None, PAR90="1.5", CollectionRate=True)
    with pytest.raises(AssertionError, match=r"the copy of tape-1\.csv has no finite number") as said:
        checks.test_v2_wrote_all_four_values(host, wanted)
    assert [kpi for kpi in checks.KPIS if kpi in str(said.value)] == ["PAR30", "PAR90", "CollectionRate"]


def test_tapes_of_our_own_making_refused_ones_and_those_before_the_switch_are_not_enough(
    host: Any, wanted: HostPlan, data: Path
) -> None:
    ran(data, OTHER, canary=True)
    ran(data, V1S, canary=True, event="run_failed")
    with pytest.raises(AssertionError, match="V2 has computed no tape"):
        checks.test_v2_has_computed_a_real_tape(host, wanted)
    ran(data, V1S, canary=True)
    checks.test_v2_has_computed_a_real_tape(host, wanted)
    (data / "pipeline.yml").write_text("{}")
    with pytest.raises(AssertionError, match="V2 has computed no tape"):
        checks.test_v2_has_computed_a_real_tape(host, wanted)


def test_nothing_seen_is_a_warning_and_no_failure() -> None:
    marks = getattr(checks.test_v2_has_computed_a_real_tape, "pytestmark", [])
    assert [mark.name for mark in marks] == ["warn"]


def records(count: int, *, at: str = "2025-01-01T00:00:00.000001Z") -> list[dict[str, Any]]:
    """Records that follow each other, from the ninth on."""
    return [{"seq": 9 + n, "at": at, "event": "e", "prev": f"h{8 + n}", "hash": f"h{9 + n}"} for n in range(count)]


def trail(data: Path, found: list[dict[str, Any]], torn: str = "") -> None:
    """Write an audit trail, with a torn line before its last record."""
    lines = [json.dumps(record) for record in found]
    lines[-1:-1] = [torn] if torn else []
    (data / "audit" / "trail.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("torn", ["", '{"seq": 11, "at'])
def test_a_tied_trail_passes(host: Any, wanted: HostPlan, data: Path, torn: str) -> None:
    trail(data, records(300), torn)
    checks.test_the_audit_trail_has_events_of_v2(host, wanted)


@pytest.mark.parametrize(
    ("change", "at", "found"),
    [
        ({"prev": "other"}, "2025-01-01T00:00:00.000001Z", "does not follow"),
        ({}, "2024-12-31T23:59:59.999999Z", "the last record is of 2024"),
    ],
)
def test_a_record_that_does_not_follow_or_none_since_the_switch_fails(
    host: Any, wanted: HostPlan, data: Path, change: dict[str, Any], at: str, found: str
) -> None:
    given = records(5, at=at)
    given[2] |= change
    trail(data, given)
    with pytest.raises(AssertionError, match=found):
        checks.test_the_audit_trail_has_events_of_v2(host, wanted)


def test_a_tape_that_stays_is_named(host: Any, wanted: HostPlan, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "STAYING", checks.STAYING.replace("+ 5", "+ 0.1"))
    checks.test_no_tape_is_left_behind(host, wanted)
    (data / "processing" / "abc__a tape.csv").touch()
    with pytest.raises(AssertionError, match=r"abc__a tape\.csv"):
        checks.test_no_tape_is_left_behind(host, wanted)
