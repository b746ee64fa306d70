"""The table of a watch: one line for each row and host and one for the fleet, for people and for programs."""

import csv
from pathlib import Path

import pytest

from cutover.monitor.views.story import WatchStory
from cutover.monitor.views.table import Tables, write_table
from cutover.timeline.presentation import presentation
from tests.checkout import ROOT
from tests.monitor.watch_journals import HOUR, Watching, calm, held_and_gone_on, rolled_back

SHOWN = presentation(ROOT, "abaco").watch


def written(watch: Watching, folder: Path) -> tuple[str, list[dict[str, str]]]:
    story = WatchStory(shown=SHOWN)
    for record in watch.records:
        story(record)
    markdown, sheet = write_table(folder, story)
    with sheet.open(newline="") as file:
        return markdown.read_text(), list(csv.DictReader(file))


def test_a_day_has_nineteen_rows_of_each_host_and_the_fleet(tmp_path: Path) -> None:
    markdown, rows = written(calm(look_s=600), tmp_path)
    assert len(rows) == 19 * 4
    assert [row["host"] for row in rows[:4]] == ["web1", "web2", "web3", "fleet"]
    assert [float(row["hour"]) for row in rows[3::4]] == [
        *(n / 2 for n in range(9)),
        5,
        6,
        7,
        8,
        10,
        12,
        14,
        16,
        20,
        24,
    ]
    assert {row["status"] for row in rows[4:]} == {"PASS"}
    assert list(rows[0]) == [
        "time_utc", "hour", "host", "latency_ms", "latency_n", "error_rate_percent", "error_rate_n", "memory_MB", "cpu_percent",
        "restarts", "status", "notes",
    ]  # fmt: skip
    assert "| time (UTC) | hour | host | KPI latency (ms) | Error rate (%) | Memory (MB) |" in markdown
    assert "| 2026-01-02 04:30:00 | 0.50 | **fleet** |" in markdown
    assert "The watch ended with PASS after 24 h (exit code 0)" in markdown


def test_figures_are_unrounded_for_programs_and_short_for_people(tmp_path: Path) -> None:
    watch = Watching("web1").look(row=True).until(0.5 * HOUR)
    markdown, rows = written(watch, tmp_path)
    exact = watch.servers[0].judged(watch.t)[0].value
    assert float(rows[2]["latency_ms"]) == exact
    assert f"| {exact:.3g} (n 300) |" in markdown
    assert f"{exact!r}" not in markdown


def test_the_fleet_is_the_worst_of_its_hosts(tmp_path: Path) -> None:
    watch = Watching("web1", "web2").look(row=True).until(0.5 * HOUR - 600)
    watch.servers[1].errors, watch.servers[1].memory_mb = 0.02, 120
    _, rows = written(watch.until(0.5 * HOUR), tmp_path)
    fleet = rows[-1]
    assert float(fleet["error_rate_percent"]) == pytest.approx(2.0)
    assert (fleet["error_rate_n"], float(fleet["memory_MB"])) == ("300", 120.0)
    assert fleet["status"] == "FAIL"


def test_what_was_not_measured_is_empty_and_the_row_says_why(tmp_path: Path) -> None:
    watch = Watching("web1").look(row=True).until(0.5 * HOUR - 600)
    watch.servers[0].away = "no | route <b>"
    markdown, rows = written(watch.until(0.5 * HOUR), tmp_path)
    assert (rows[2]["latency_ms"], rows[2]["memory_MB"], rows[2]["status"]) == ("", "", "INCONCLUSIVE")
    assert rows[2]["notes"].startswith("INCONCLUSIVE seen: no sample: no | route <b>")
    line = next(line for line in markdown.splitlines() if "no sample" in line)
    assert r"no \| route &lt;b>" in line
    assert " - | - | - |" in line


def test_notes_name_gaps_decisions_holds_and_what_came_and_went(tmp_path: Path) -> None:
    _, rows = written(held_and_gone_on(look_s=120), tmp_path)
    notes = {(float(row["hour"]), row["host"]): row["notes"] for row in rows}
    assert notes[6, "fleet"].endswith("gap: no samples for 30 min: the controller was not running")
    assert notes[1, "fleet"] == "PASS: decision point hour 1: go on"
    assert "FAIL: decision point hour 8: hold: web2: memory grew by 24 % an hour" in notes[8, "fleet"]
    assert "HOLD: at hour 8: web2: memory grew by 24 % an hour" in notes[8, "fleet"]
    assert notes[10, "fleet"].endswith("decided: go, by Ann Example, operations_lead: the leak is known")
    assert notes[8, "web2"].startswith("WARN memory: ")
    assert notes[8, "web3"].startswith("since the row before: INCONCLUSIVE seen for 6 samples")


def test_a_rollback_after_the_last_row_is_in_the_table(tmp_path: Path) -> None:
    _, rows = written(rolled_back(look_s=60), tmp_path)
    assert rows[-1]["host"] == "after the last row"
    assert rows[-1]["status"] == "FAIL"
    assert rows[-1]["notes"].startswith("TRIGGER web2: error_rate: 0.3 share")
    assert "rollback: ended with exit code 0" in rows[-1]["notes"]


def test_the_files_follow_the_journal(tmp_path: Path) -> None:
    watch, story = Watching("web1").look(row=True).until(HOUR), WatchStory(shown=SHOWN)
    tables = Tables(tmp_path, story)
    lengths = []
    for record in watch.records:
        story(record)
        tables(record)
        if record.kind == "judged" and record.data["row"]:
            lengths.append((tmp_path / "watch.csv").read_text().count("\n"))
    assert lengths == [3, 5, 7]  # the heads, and two lines a row
    assert "decision point hour 1: go on" in (tmp_path / "watch.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["watch.csv", "watch.md"]
