"""What `status` says of a watch: how far it is, whether anybody is at it, what it waits for; nothing where there is none."""

import io
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cutover.cli import judge
from cutover.console.text import rich_console
from cutover.core.errors import Problem
from cutover.inventory.targets import Targets
from cutover.journal.journal import Journal
from cutover.journal.rundir import RunDir
from cutover.monitor import status
from cutover.monitor.status import WatchStatus, watch_status, watch_status_view
from cutover.run.options import RunOptions
from tests.checkout import ROOT
from tests.monitor.watch_journals import HOUR, RUN, Watching, calm, held, rolled_back
from tests.timeline.report_runs import prepared, success
from tests.timeline.runs import Tape

HOSTS = ("h1", "h2", "h3")
NEWER = "20260109T000000Z-ffffff"


def targets(root: Path) -> Targets:
    return cast("Targets", SimpleNamespace(root=root, environment="lab", names=HOSTS, service="abaco"))


def kept(root: Path, watch: Watching, story: Tape | None = None) -> RunDir:
    """The watch in its run's directory."""
    run = (story or success()).run(root / ".cutover" / "runs")
    watch.save(run.path)
    return run


def standing(root: Path, watch: Watching, after_s: float = 12.0) -> WatchStatus:
    """How it stands so many seconds after its last record."""
    found = watch_status(targets(root), now=watch.now + timedelta(seconds=after_s))
    assert found is not None
    return found


def words(root: Path, watch: Watching, after_s: float = 12.0) -> str:
    """What people read, on one line."""
    stream = io.StringIO()
    now = watch.now + timedelta(seconds=after_s)
    rich_console(stream, 2000).print(watch_status_view(standing(root, watch, after_s), "--hosts lab", now))
    return stream.getvalue()


def test_a_watch_that_somebody_is_at_says_how_far_it_is(tmp_path: Path) -> None:
    watch = Watching(*HOSTS).look(row=True).until(3.5 * HOUR)
    journal = Journal(kept(tmp_path, watch).watch_file)
    try:
        text = words(tmp_path, watch)
        found = standing(tmp_path, watch)
    finally:
        journal.close()
    assert text == f"watch of run {RUN}: hour 3.5 of 24, last sample 12s ago: PASS; next point hour 8 at hour 8\n"
    assert found.as_json("h1") == {
        "run": RUN, "hour": 3.5, "verdict": "PASS", "looked_at": watch.records[-1].at, "hold": None, "watched": True, "over": False,
        "broken": None,
    }  # fmt: skip
    assert found.as_json("h9") is None


def test_a_watch_that_was_left_is_loud(tmp_path: Path) -> None:
    watch = Watching(*HOSTS).look(row=True).until(HOUR / 2)
    kept(tmp_path, watch)
    assert "NOBODY WATCHES since 2026-01-02 04:30:00Z: `./invokew monitor --hosts lab`" in words(tmp_path, watch)
    found = standing(tmp_path, watch)
    assert (found.watched, found.late) == (False, True)
    assert "bold red" in str(watch_status_view(found, "--hosts lab").spans)


@pytest.mark.parametrize(("after_s", "late"), [(12.0, False), (44 * 60.0, False), (46 * 60.0, True)])
def test_single_looks_are_a_watch_as_long_as_they_come_in_time(tmp_path: Path, after_s: float, late: bool) -> None:
    watch = Watching(*HOSTS).look(row=True)
    watch.t = HOUR / 2  # a row is due every half an hour
    watch.write("watch.resumed", t=watch.t, once=True).look(row=True)
    kept(tmp_path, watch)
    found = standing(tmp_path, watch, after_s)
    assert (found.watched, found.late) == (False, late)


def test_a_hold_says_since_when_why_how_to_decide_and_what_follows(tmp_path: Path) -> None:
    watch = held(HOSTS)
    kept(tmp_path, watch)
    text = words(tmp_path, watch)
    assert (
        "ON HOLD since 2026-01-02 12:00:00Z: h2: memory grew by 24 % an hour (and 1 reason more); decide with" in text
    )
    assert "`./invokew signoff --hosts lab --role ROLE --name NAME --decision go_on --note WHY`" in text
    assert "until 2026-01-02 13:00:00Z: then: rollback" in text
    found = standing(tmp_path, watch)
    reported: Any = found.as_json("h2")
    assert reported["hold"] == {
        "since": "2026-01-02T12:00:00.000Z", "until": "2026-01-02T13:00:00.000Z", "then": "rollback",
        "reasons": ["h2: memory grew by 24 % an hour", "h2: memory 214 MB is over 200 MB"],
    }  # fmt: skip
    assert reported["verdict"] == "WARN"
    calm_one: Any = found.as_json("h1")
    assert {**calm_one, "verdict": "WARN"} == reported


def test_one_quiet_line_where_it_has_ended_or_went_back_and_a_loud_one_where_that_is_not_complete(
    tmp_path: Path,
) -> None:
    over, back = calm(*HOSTS), rolled_back(hosts=HOSTS)
    kept(tmp_path / "over", over)
    kept(tmp_path / "back", back)
    assert words(tmp_path / "over", over, 3600) == f"the watch of run {RUN} is over, 60m00s ago: PASS\n"
    assert words(tmp_path / "back", back) == f"the watch of run {RUN} is over, 12s ago: it rolled the fleet back\n"
    found = standing(tmp_path / "back", back)
    assert (found.over, found.hold) == (True, None)
    assert "dim" in str(watch_status_view(found, "").style)
    torn = Watching(*HOSTS).look(row=True).until(600).finish("FAIL", 5)
    kept(tmp_path / "torn", torn)
    assert "NOT complete: `./invokew rollback --hosts lab`" in words(tmp_path / "torn", torn)


def test_a_run_that_another_command_took_back_waits_for_nobody(tmp_path: Path) -> None:
    watch = held(HOSTS)
    story = success()
    run = kept(tmp_path, watch, story)
    journal = run.journal()  # what is written now is after the watch began
    journal.write("rollback.started", hosts=["h1"], cause="asked for")
    journal.close()
    assert standing(tmp_path, watch).over
    assert "another command rolled the run back" in words(tmp_path, watch)


@pytest.mark.parametrize(
    ("newer", "seen"), [(None, True), (prepared, True), (success, False)], ids=["none", "prepared", "cut over"]
)
def test_the_watch_of_the_newest_run_that_the_hosts_are_on_is_meant(tmp_path: Path, newer: Any, seen: bool) -> None:
    watch = Watching(*HOSTS).look(row=True)
    kept(tmp_path, watch)
    if newer is not None:
        later = newer().run(tmp_path / "elsewhere")
        later.path.rename(tmp_path / ".cutover" / "runs" / NEWER)
    assert (watch_status(targets(tmp_path)) is not None) is seen


def test_nothing_is_said_where_there_is_no_watch_of_this_environment(tmp_path: Path) -> None:
    assert watch_status(targets(tmp_path)) is None
    kept(tmp_path, Watching(*HOSTS))
    other = cast("Targets", SimpleNamespace(root=tmp_path, environment="prod", service="svc", names=HOSTS))
    assert watch_status(other) is None


def test_a_journal_that_cannot_be_read_ends_no_status_and_is_told(tmp_path: Path) -> None:
    watch = Watching(*HOSTS).look(row=True)
    run = kept(tmp_path, watch)
    run.watch_file.write_text(run.watch_file.read_text().replace('{"seq":1', '{"odd":1'))
    assert "cannot be read: a line in it is not a record" in words(tmp_path, watch)


def test_status_tells_it_to_people_and_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watching(*HOSTS).look(row=True).until(600)
    kept(tmp_path, watch)
    for name in ("roles", "templates"):
        (tmp_path / name).symlink_to(ROOT / name)
    silent = [Problem("no route to host", "see its cable", host) for host in HOSTS]
    monkeypatch.setattr(status, "host_states", lambda _targets: ({}, silent))
    monkeypatch.setattr(RunOptions, "targets", lambda _where: targets(tmp_path))
    assert judge.status(RunOptions(tmp_path, "status", inventory="x/lab", json=True)) == 10
    reported = capsys.readouterr()
    document = json.loads(reported.out)
    assert {host: one["watch"]["run"] for host, one in document["hosts"].items()} == dict.fromkeys(HOSTS, RUN)
    assert f"watch of run {RUN}: minute" not in reported.err
    assert f"watch of run {RUN}: hour 0.2 of 24" in reported.err
    assert "`./invokew monitor --hosts lab --inventory x/lab`" in reported.err.replace("\n", " ")
