"""The checks of phase 5, asked of a directory of this machine in the place of a host's."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cutover.plan.plan import HostPlan
from roles.abaco.checks import validation as checks
from roles.standard.checks import shutdown
from tests.toy import TOY, toy

KPIS = {"PAR30": 1.5, "PAR90": 0, "CollectionRate": 98.25, "PortfolioHealth": 7.5}

PYTHON = {
    "kind": "python", "name": "toy", "version": "2", "code": {}, "tests": "t", "runtime_lock": "r", "testing_lock": "t",
    "launchers": {}, "into": "/opt/abaco/releases", "current": "/opt/abaco/current",
}  # fmt: skip


@pytest.fixture
def host() -> Any:
    """A host that is this machine."""
    import testinfra

    return testinfra.get_host("local://")


@pytest.fixture
def wanted(tmp_path: Path) -> HostPlan:
    """The plan of a host that lies in a directory, with V2's config put in place a while ago."""
    for folder in ("metrics", "audit", "inbox", "processing"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipeline.yml").write_text("{}")
    os.utime(tmp_path / "pipeline.yml", (1_767_225_600, 1_767_225_600))  # 2026-01-01
    variables = {
        "abaco_data": str(tmp_path),
        "abaco_config": str(tmp_path / "pipeline.yml"),
        "abaco_home": "/opt/abaco",
    }
    facts = {"current": {"type": "absent"}}
    return HostPlan(
        service=TOY, name="h1", address="192.0.2.1", variables=variables, facts=facts, steps={}, changes=(), diffs=()
    )


def write(directory: Path, key: str, kpis: dict[str, Any], *, status: str = "ok", at: int = 1_767_226_000) -> None:
    """The metrics of a tape, as V2 writes them."""
    path = directory / "metrics" / f"v2_{key}.json"
    path.write_text(json.dumps({"status": status, "kpis": {name: {"value": value} for name, value in kpis.items()}}))
    os.utime(path, (at, at))
    path.with_name(f"v2_{key}.manifest.json").write_text("{}")


def test_four_finite_values_of_the_newest_tape_that_was_accepted_pass(
    host: Any, wanted: HostPlan, tmp_path: Path
) -> None:
    write(tmp_path, "a", {**KPIS, "PAR30": None}, at=1_767_225_000)  # of the time before the config
    write(tmp_path, "b", KPIS)
    write(tmp_path, "c", {}, status="failed", at=1_767_227_000)  # a bad tape is rejected, as it must be
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
    host: Any, wanted: HostPlan, tmp_path: Path, kpis: dict[str, Any], status: str, found: str
) -> None:
    write(tmp_path, "a", kpis, status=status)
    with pytest.raises(AssertionError, match=found):
        checks.test_v2_wrote_all_four_values(host, wanted)


def records(count: int, *, at: str = "2026-01-01T00:00:00.000001Z") -> list[dict[str, Any]]:
    """Records that follow each other, from the ninth on."""
    return [{"seq": 9 + n, "at": at, "event": "e", "prev": f"h{8 + n}", "hash": f"h{9 + n}"} for n in range(count)]


def trail(directory: Path, found: list[dict[str, Any]], torn: str = "") -> None:
    """Write an audit trail, with a torn line before its last record."""
    lines = [json.dumps(record) for record in found]
    lines[-1:-1] = [torn] if torn else []
    (directory / "audit" / "trail.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("torn", ["", '{"seq": 11, "at'])
def test_a_tied_trail_passes(host: Any, wanted: HostPlan, tmp_path: Path, torn: str) -> None:
    trail(tmp_path, records(300), torn)
    checks.test_the_audit_trail_has_events_of_v2(host, wanted)


@pytest.mark.parametrize(
    ("change", "at", "found"),
    [
        ({"prev": "other"}, "2026-01-01T00:00:00.000001Z", "does not follow"),
        ({}, "2025-12-31T23:59:59.999999Z", "the last record is of 2025"),
    ],
)
def test_a_record_that_does_not_follow_or_none_since_the_switch_fails(
    host: Any, wanted: HostPlan, tmp_path: Path, change: dict[str, Any], at: str, found: str
) -> None:
    told = records(5, at=at)
    told[2] |= change
    trail(tmp_path, told)
    with pytest.raises(AssertionError, match=found):
        checks.test_the_audit_trail_has_events_of_v2(host, wanted)


def test_a_tape_that_stays_is_named(
    host: Any, wanted: HostPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "STAYING", checks.STAYING.replace("+ 5", "+ 0.1"))
    checks.test_no_tape_is_left_behind(host, wanted)
    (tmp_path / "processing" / "abc__a tape.csv").touch()
    with pytest.raises(AssertionError, match=r"abc__a tape\.csv"):
        checks.test_no_tape_is_left_behind(host, wanted)


def test_where_current_was_not_a_link_it_is_reported(host: Any, wanted: HostPlan) -> None:
    service = toy(artifact=PYTHON)
    with pytest.raises(AssertionError, match="/opt/abaco/current was absent at planning, expected a link"):
        shutdown.test_no_process_of_the_old_release_is_left(host, wanted.model_copy(update={"service": service}))
