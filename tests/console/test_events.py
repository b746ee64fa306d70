"""A run as plain lines: on a pipe, in the log, and one line a rollback."""

import io
from pathlib import Path

import pytest

from cutover.console.events import ROLLBACKS, Detail, Log, events_of, log_lines
from cutover.console.live import Console
from cutover.journal.record import Record
from cutover.plan.phases import PHASES, PREPARING
from tests.timeline.runs import NOT_READY, RUN, Tape, mixed, outcome, rolled_back, success


def plain(records: list[Record], *, verbose: bool = False) -> str:
    stream = io.StringIO()
    with Console(stream, verbose=verbose) as console:
        for record in records:
            console(record)
    return stream.getvalue()


def test_every_line_has_time_phase_hosts_and_what_happened() -> None:
    lines = plain(rolled_back().records).splitlines()
    assert "2026-01-02T03:04:05Z  0 preflight   2 hosts  starts        Pre-cutover validation (web1, web2)" in lines
    assert f"2026-01-02T03:04:10Z  4 activation  web1  FAIL          activation.ready: {NOT_READY}" in lines
    assert "2026-01-02T03:04:11Z                web1  rolled back   the old release is in service" in lines
    assert [line for line in lines if line.endswith("the gate stays shut")] == [
        "2026-01-02T03:04:10Z  4 activation  web1  FAIL          2 findings: the gate stays shut"
    ]
    assert "exit 4: " in lines[-1]
    assert [line[22:] for line in plain(mixed().records).splitlines() if "NOT" in line] == [
        "              web1  FAIL          NOT rolled back"
    ]


def test_steps_are_listed_when_verbose_and_only_those_that_failed_or_changed() -> None:
    tape = Tape().begin(["web1"])
    bad = {"ok": False, "error": "no", "differences": ["x: found 1, expected 2"]}
    for name, more in {"a.changed": {}, "a.same": {"changed": False}, "a.bad": bad}.items():
        tape.write("outcome", **outcome("web1", PREPARING[0], id=name, **more))  # type: ignore[arg-type]  # of any type
    assert "a.changed" not in plain(tape.records)
    lines = plain(tape.records, verbose=True)
    assert "a.changed: do it" in lines
    assert "a.same" not in lines
    assert "a.bad: do it (0.250 s): no; x: found 1, expected 2" in lines


def test_a_record_that_is_unknown_or_of_another_version_is_shown_as_it_is() -> None:
    record = Tape().write("never.seen", host="web1", what="news").records[0]
    assert list(log_lines(record)) == [
        '2026-01-02T03:04:05.000Z     1                web1          never.seen    {"host": "web1", "what": "news"}'
    ]
    (event,) = events_of(Tape().write("gate", phase="preflight").records[0])
    assert (event.word, event.detail) == ("gate", Detail.LOG)


def written(folder: Path, tape: Tape) -> Log:
    log = Log(folder, RUN, "stage", pytest.fail)
    for record in tape.records:
        log(record)
    return log


def test_the_log_has_every_record_and_every_step(tmp_path: Path) -> None:
    late = outcome("web1", PHASES[0], id="late.step", ok=False, error="no", differences=["x: found 1, expected 2"])
    tape = rolled_back().write("outcome", **late)
    log = written(tmp_path / "logs", tape)
    text = log.path.read_text()
    assert log.path.name == "cutover_20260102T030405Z.log"
    assert all(f"{record.at} {record.seq:>5}" in text for record in tape.records)
    assert "late.step: do it (0.250 s): no; x: found 1, expected 2" in text
    assert "preflight.check: it is so" in text


def test_one_line_a_rollback(tmp_path: Path) -> None:
    for tape in (rolled_back(), mixed()):
        written(tmp_path, tape)
    first, second = (tmp_path / ROLLBACKS).read_text().splitlines()
    assert first.endswith(f'Z run={RUN} environment=stage back=web1 failed=- took=1.0s cause="{NOT_READY}"')
    assert "back=- failed=web1" in second


def test_a_log_that_cannot_be_written_is_reported_once_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    said: list[str] = []
    log = Log(tmp_path / "logs", RUN, "stage", said.append)
    for record in success().records:
        log(record)
    assert len(said) == 1
    assert "the journal has everything" in said[0]
