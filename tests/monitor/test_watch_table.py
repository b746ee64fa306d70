"""The table of a watch: one line for each row and host and one for the fleet."""

import csv
import io
from pathlib import Path

from cutover.monitor.views.story import WatchStory
from cutover.monitor.views.table import Table, comma_separated, markdown
from tests.monitor.watch_journals import HOUR, SHOWN, Watching, calm, held_and_gone_on, rolled_back


def written(watch: Watching) -> tuple[str, list[list[str]]]:
    """The table, and the cells of its lines: time, hour, host, the figures, status, notes."""
    text = markdown(watch.story())
    return text, [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| 20")]


def test_a_day_has_nineteen_rows_of_each_host_and_the_fleet() -> None:
    text, rows = written(calm())
    assert [row[2] for row in rows] == ["web1", "web2", "web3", "**fleet**"] * 19
    hours = [*(n / 2 for n in range(9)), 5, 6, 7, 8, 10, 12, 14, 16, 20, 24]
    assert [float(row[1]) for row in rows[3::4]] == hours
    assert {row[8] for row in rows[4:]} == {"PASS"}
    assert "| time (UTC) | hour | host | KPI latency (ms) | Error rate (%) | Memory (MB) |" in text
    assert "The watch ended with PASS after 24 h (exit code 0)" in text


def test_the_fleet_is_the_worst_of_its_hosts() -> None:
    watch = Watching("web1", "web2").look(row=True).until(0.5 * HOUR - 600)
    watch.servers[1].errors, watch.servers[1].memory_mb = 0.02, 120
    _, rows = written(watch.until(0.5 * HOUR))
    assert rows[-1][2:] == ["**fleet**", "12.1 (n 300)", "2 (n 300)", "120", "3", "0", "FAIL"]


def test_what_was_not_measured_is_a_dash_and_the_row_says_why() -> None:
    watch = Watching("web1").look(row=True).until(0.5 * HOUR - 600)
    watch.servers[0].away = "no | route <b>"
    _, rows = written(watch.until(0.5 * HOUR))
    assert rows[2][3:9] == ["-"] * 5 + ["INCONCLUSIVE"]
    assert rows[2][9].startswith(r"INCONCLUSIVE seen: no sample: no \| route &lt;b>")


def test_notes_name_gaps_decisions_holds_and_what_came_and_went() -> None:
    _, rows = written(held_and_gone_on())
    notes = {(float(row[1]), row[2]): row[-1] for row in rows}
    assert notes[6, "**fleet**"].endswith("gap: no samples for 30 min: the controller was not running")
    assert notes[1, "**fleet**"] == "PASS: decision point hour 1: go on"
    assert "FAIL: decision point hour 8: hold: web2: memory grew by 24 % an hour" in notes[8, "**fleet**"]
    assert "HOLD: at hour 8: web2: memory grew by 24 % an hour" in notes[8, "**fleet**"]
    assert notes[10, "**fleet**"].endswith("decided: go, by Ann Example, operations_lead: the leak is known")
    assert notes[8, "web2"].startswith("WARN memory: ")
    assert notes[8, "web3"].startswith("since the row before: INCONCLUSIVE seen for 2 samples")


def test_a_rollback_after_the_last_row_is_in_the_table() -> None:
    _, rows = written(rolled_back(look_s=300))
    assert rows[-1][2] == "**after the last row**"
    assert rows[-1][8] == "FAIL"
    assert rows[-1][9].startswith("TRIGGER web2: error_rate: 0.3 share")
    assert "rollback: ended with exit code 0" in rows[-1][9]


def test_the_files_follow_the_journal(tmp_path: Path) -> None:
    watch, story = Watching("web1").look(row=True).until(HOUR), WatchStory(shown=SHOWN)
    table = Table(tmp_path, story)
    for record in watch.records:
        story(record)
        table(record)
    assert (tmp_path / "watch.md").read_text() == markdown(story)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["watch.csv", "watch.md"]


def test_programs_get_every_digit_of_what_people_see() -> None:
    watch = Watching("web1", "web2").look(row=True).until(0.5 * HOUR - 600)
    watch.servers[1].errors = 0.02
    sheet = list(csv.DictReader(io.StringIO(comma_separated(watch.until(0.5 * HOUR).story()))))
    _, rows = written(watch)
    assert [(row["host"], row["status"]) for row in sheet] == [(row[2].strip("*"), row[8]) for row in rows]
    assert (float(sheet[-2]["error_rate_percent"]), sheet[-2]["error_rate_n"]) == (2.0, "300")
