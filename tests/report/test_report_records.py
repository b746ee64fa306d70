"""The validation reports and the incident record of a run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import Problem
from cutover.report.incident import write_incident
from cutover.report.validation import completed, fleet_document, judging, write_validation_reports
from cutover.timeline.presentation import presentation
from cutover.timeline.view import view_of
from tests.checkout import ROOT
from tests.timeline.report_runs import VALIDATE, prepared, report, rolled_back, success
from tests.timeline.runs import NOT_READY

SHOWN = presentation(ROOT, "abaco").validation


def test_the_fleet_report_has_the_shape_of_the_seeds(tmp_path: Path) -> None:
    run = success().run(tmp_path)
    path = write_validation_reports(view_of(run, ROOT))
    assert path == run.path / "production_validation_report.json"
    fleet = json.loads(path.read_text())
    assert fleet["status"] == "PASS"
    assert set(fleet["checks"]) == set(SHOWN.checks)
    assert fleet["timestamp"] == "2026-01-02T03:05:00Z"
    assert fleet["issues"] == []
    assert fleet["checks"]["performance"]["hosts"]["h2"]["values"] == {"ms": 1.5}
    assert fleet["checks"]["performance"]["n"] == 6
    host = json.loads((run.path / "hosts" / "h1" / "production_validation_report.json").read_text())
    assert host == report("PASS") | {"host": "h1", "run": run.id}


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "GOOD"},
        {"status": None},
        {"checks": {"performance": []}},
        {"checks": {"performance": {"status": "PASS", "n": "6"}}},
        {"checks": {"performance": {"status": "PASS", "issues": [None]}}},
        {"issues": {"found": "x"}},
    ],
)
def test_what_is_not_a_judging_document_is_no_document(wrong: dict[str, Any]) -> None:
    """Else one host would keep the report of all from being written."""
    assert judging(report("PASS")) is not None
    assert judging(report("PASS") | wrong) is None


def test_a_host_names_no_other_in_its_issues() -> None:
    said = report("WARN") | {"issues": [{"verdict": "FAIL", "found": "x", "next": "y", "host": "h2"}]}
    assert [issue["host"] for issue in fleet_document({"h1": said})["issues"]] == ["h1"]


def test_the_worst_host_decides_and_is_named() -> None:
    fleet = fleet_document({"h1": report("PASS"), "h2": report("WARN")})
    assert fleet["status"] == fleet["checks"]["performance"]["status"] == "WARN"
    assert fleet["checks"]["audit_trail"]["status"] == "PASS"
    assert fleet["issues"] == [{"host": "h2", "verdict": "WARN", "found": "slow"}]


def test_a_host_that_was_not_judged_is_never_a_pass() -> None:
    why = Problem("no route to host", "see its cable", "h2")
    hosts = completed({"h1": report("PASS"), "h2": None}, SHOWN.checks, {"h2": why})
    assert {name: check["status"] for name, check in hosts["h2"]["checks"].items()} == dict.fromkeys(
        SHOWN.checks, "INCONCLUSIVE"
    )
    assert all(check["issues"][0]["found"] == why.found for check in hosts["h2"]["checks"].values())
    fleet = fleet_document(hosts)
    assert fleet["status"] == "INCONCLUSIVE"
    assert fleet["hosts"] == {"h1": "PASS", "h2": "INCONCLUSIVE"}
    missing = fleet["checks"]["performance"]["hosts"]["h2"]
    assert (missing["status"], missing["n"]) == ("INCONCLUSIVE", 0)
    assert fleet["issues"] == [
        {"host": "h2", "verdict": "INCONCLUSIVE", "found": "no route to host", "next": "see its cable"}
    ]


def test_a_host_of_a_run_that_gave_no_document_points_to_the_journal(tmp_path: Path) -> None:
    story = success().outcome("h2", VALIDATE, {"document": None, "output": "no json"}, ok=False)
    path = write_validation_reports(view_of(story.run(tmp_path), ROOT))
    assert path is not None
    document = json.loads((path.parent / "hosts" / "h2" / path.name).read_text())
    assert set(document["checks"]) == set(SHOWN.checks)
    assert document["issues"][0]["next"] == "see the journal of the run"


def test_the_five_checks_of_the_report_are_those_that_the_service_names() -> None:
    source = "".join(path.read_text() for path in (ROOT / "kpi" / "validation").glob("*.py"))
    assert set(re.findall(r'Check\("(\w+)"', source)) == set(SHOWN.checks)


def test_no_report_where_nothing_was_judged_and_no_incident_without_a_rollback(tmp_path: Path) -> None:
    assert write_validation_reports(view_of(prepared().run(tmp_path), ROOT)) is None
    assert write_incident(view_of(success().run(tmp_path), ROOT)) is None
    assert not [*tmp_path.rglob("production_validation_report.json"), *tmp_path.rglob("incident*")]


def test_an_incident_names_cause_hosts_time_away_and_what_is_kept(tmp_path: Path) -> None:
    run = rolled_back().run(tmp_path)
    path = write_incident(view_of(run, ROOT))
    assert path == run.path / "incident.md"
    text = path.read_text()
    assert NOT_READY in text
    assert "| h1 | back on V1 | 2.500 s |" in text
    assert "`/backup/new_kept`, 7 files, 900 bytes, read-only" in text
    assert "identical, byte for byte" in text
    assert "hosts that were not touched | h2" in text
    assert "## Lessons, to be completed" in text
    facts = json.loads((run.path / "incident.json").read_text())
    assert facts["complete"] is True
    assert facts["cause"] == NOT_READY
    assert facts["hosts"]["h1"]["kept"][0]["path"] == "/backup/new_kept"
    assert facts["problems"][0]["path"] == "activation.ready"
    assert len(facts["timeline"]) > 5


def test_an_incomplete_rollback_says_so_first(tmp_path: Path) -> None:
    story = prepared().write("rollback.started", hosts=["h1"], cause="x")
    path = write_incident(view_of(story.run(tmp_path), ROOT))
    assert path is not None
    assert "The rollback has no end in the journal" in path.read_text()
    story.write("rollback.finished", hosts=[], failed=["h1"], cause="x")
    assert write_incident(view_of(story.run(tmp_path), ROOT)) == path
    assert "h1 needs a person" in path.read_text()


def test_what_people_wrote_is_never_overwritten(tmp_path: Path) -> None:
    run = rolled_back().run(tmp_path)
    path = write_incident(view_of(run, ROOT))
    assert path is not None
    edited = path.read_text().replace("Where we got lucky:", "Where we got lucky: the weather.")
    path.write_text(edited)
    again = write_incident(view_of(run, ROOT))
    assert path.read_text() == edited
    assert again == path.with_name("incident-2.md")
    assert write_incident(view_of(run, ROOT)) == again


def test_a_host_cannot_write_markup_into_the_incident(tmp_path: Path) -> None:
    story = prepared().write("rollback.started", hosts=["h1"], cause="<b>x</b>\n## Cause 2 | `a` [l](m)")
    path = write_incident(view_of(story.run(tmp_path), ROOT))
    assert path is not None
    assert "&lt;b>x&lt;/b> ## Cause 2 \\| 'a' \\[l](m)" in path.read_text()
    assert "\n## Cause 2" not in path.read_text()
