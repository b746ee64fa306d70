"""What people see before and after a run: the plan, the summary, errors, the log, the JSON document, the status."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.cli.app import answer
from cutover.console.ask import Ask
from cutover.console.logfile import ROLLBACKS, Log, log_lines
from cutover.console.plan import plan_view
from cutover.console.problems import grouped, show_error
from cutover.console.status import in_service, status_view
from cutover.console.summary import hosts_as_json, summary
from cutover.console.text import paper
from cutover.core.errors import ExitCode, MixedFleet, Problem, Refused
from cutover.core.exits import EXITS
from cutover.plan.phases import COMMITTING, PHASES
from cutover.timeline.outages import outages
from cutover.timeline.presentation import presentation
from cutover.timeline.timeline import read_story
from tests.checkout import ROOT
from tests.console.test_tell_console import same_as_golden
from tests.timeline.tell_runs import (
    RELEASE,
    RUN,
    Tape,
    at,
    failing,
    finding,
    mixed,
    outcome,
    plan,
    rolled_back,
    success,
)

SHOWN = presentation(ROOT, "abaco").outage
PLACES = {"report": f".cutover/runs/{RUN}/report.html", "log": "logs/cutover_20260102T030405Z.log"}


def printed(renderable: Any, width: int = 110) -> str:
    stream = io.StringIO()
    paper(stream, width).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("tape", [success, rolled_back, mixed, failing])
def test_the_summary(tape: Callable[[], Tape]) -> None:
    text = printed(summary(tape().records, SHOWN, PLACES))
    same_as_golden(f"summary_{tape.__name__}", text)


@pytest.mark.parametrize("width", [30, 60, 80])
def test_the_summary_fits_where_it_is_narrow(width: int) -> None:
    text = printed(summary(mixed().records, SHOWN, PLACES), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "A PERSON IS NEEDED" in text.replace("\n", " ")


def test_the_summary_of_nothing_to_do_and_of_a_preparation() -> None:
    tape = Tape().write("run.created", service="abaco", run=RUN, environment="stage", pattern="web*")
    tape.write("plan.made", fingerprint="f", release=RELEASE, hosts=[], batches=[], already=["web1"]).finish(
        0, "nothing to do"
    )
    assert f"✓ DONE: nothing to do; web1 on release {RELEASE} already, and healthy" in printed(
        summary(tape.records, SHOWN, {})
    )
    tape = Tape().begin(["web1"]).write("prepared", hosts=["web1"]).finish(0, "prepared")
    text = printed(summary(tape.records, SHOWN, {}))
    assert "1 host prepared" in text
    assert f"./invokew cutover --run {RUN}" in text


def test_console_and_report_tell_the_same_outages(tmp_path: Path) -> None:
    """One rule finds them (templates/report.yml), so that no two places give two figures."""
    told = hosts_as_json(success().records, SHOWN)
    assert {host: [(one["what"], one["seconds"]) for one in said["outages"]] for host, said in told.items()} == {
        "web1": [("from V1 to V2", 1.25)],
        "web2": [("from V1 to V2", 1.5)],
        "web3": [("from V1 to V2", 1.5)],
    }
    assert told["web1"]["outages"][0].items() >= {"stop": 0.1, "between": 0.9, "start": 0.25}.items()
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(record.line() for record in success().records))
    read = outages(read_story(path), SHOWN)
    assert {outage.host: outage.as_json() for outage in read} == {host: said["outages"] for host, said in told.items()}
    text = printed(summary(success().records, SHOWN, {}))
    assert "away for at most 1.50 s" in text
    assert max(outage.seconds for outage in read) == 1.5


def test_an_outage_that_nobody_measured_says_why() -> None:
    tape = Tape().begin(["web1"])
    tape.phase(
        COMMITTING[0], ["web1"], outcomes=({"id": SHOWN.forward, "after": {"gap_s": None, "why": "no journal"}},)
    )
    said = hosts_as_json(tape.finish(1, "bug").records, SHOWN)
    assert said["web1"]["outages"] == [{"what": "not measured", "seconds": None, "why": "no journal"}]


def test_hosts_as_json() -> None:
    said = hosts_as_json(rolled_back().records, SHOWN)
    assert list(said) == ["web1", "web2"]
    assert said["web1"]["version"] == "V1"
    assert said["web1"]["phases"]["activation"] == {"verdict": "FAIL", "seconds": 0.6}
    assert said["web1"]["outages"][0]["seconds"] == 4.5
    assert said["web2"]["outages"] == []
    json.dumps(said, allow_nan=False)


@pytest.mark.parametrize("diff", [False, True])
def test_the_plan(diff: bool) -> None:
    shown = plan(["web1"], ["web2", "web3"])
    text = printed(plan_view(shown, diff=diff)).replace(shown.fingerprint, "<fingerprint>")
    same_as_golden(f"plan_{'diff' if diff else 'words'}", text)


def test_equal_hosts_are_shown_once_and_others_apart() -> None:
    hosts = [f"web{number}" for number in range(1, 11)]
    same = printed(plan_view(plan(hosts), diff=True))
    assert same.count("+port: 2") == 1
    one = plan(hosts)
    changed = tuple(
        change if change.step != "backup.step" else change.model_copy(update={"differences": ()})
        for change in one.hosts["web3"].changes
    )
    other = one.model_copy(
        update={"hosts": {**one.hosts, "web3": one.hosts["web3"].model_copy(update={"changes": changed})}}
    )
    text = printed(plan_view(other, diff=True))
    assert text.count("+port: 2") == 2
    assert "web3\n" in text


def test_errors_are_told_all_at_once_and_once_for_many_hosts() -> None:
    stream = io.StringIO()
    problems = [
        Problem(host=f"web{number}", path="disk", found=f"web{number}: 1 GB free", next="make room")
        for number in range(1, 4)
    ]
    show_error(Refused([*problems, Problem(path="hosts.yml:3", found="no host", next="name one")]), stream)
    assert stream.getvalue() == (
        "✗ ERROR  2 problems on 3 hosts; exit 3, refused\n"
        "web1, web2, web3: disk\n    <host>: 1 GB free\n    next: make room\n"
        "hosts.yml:3\n    no host\n    next: name one\n"
    )


def test_what_only_follows_from_a_problem_is_counted_there() -> None:
    found = grouped(
        [
            Problem("the disk is gone", "see it", "web1", "a"),
            Problem("b: left out: it needs a", "x", "web1", "b"),
            Problem("left out: it needs a", "x", "web2", "b"),
        ]
    )
    assert [(group.hosts, group.problem.path, group.left_out) for group in found] == [
        (("web1",), "a", 1),
        (("web2",), "b", 0),
    ]


def test_the_json_document() -> None:
    error = MixedFleet(Problem(host="web1", path="p", found="f", next="n"))
    at = "2026-01-02T03:04:05.000Z"
    ask = Ask(Path(), "cutover", started_at=at, run_id=RUN, fingerprint="f1", code=error.exit_code)
    ask.hosts, ask.files, ask.more = {"web1": {"version": "V1"}}, {"report": "/r.html"}, {"away": 1}
    document = json.loads(answer(ask, error.problems))
    assert re.fullmatch(r"2[-0-9]+T[0-9:.]+Z", document.pop("finished_at"))
    assert document == {
        "schema": 1, "command": "cutover", "run_id": RUN, "fingerprint": "f1", "status": "a person is needed", "exit_code": 5,
        "started_at": at, "hosts": {"web1": {"version": "V1"}}, "files": {"report": "/r.html"},
        "errors": [{"host": "web1", "path": "p", "found": "f", "next": "n"}], "away": 1,
    }  # fmt: skip
    assert json.loads(answer(Ask(Path(), "status"))).keys() == {*document, "finished_at"} - {"away"}


def test_every_exit_code_is_explained() -> None:
    assert set(EXITS) == set(ExitCode)
    assert len({known.status for known in EXITS.values()}) == len(ExitCode)


def test_the_log_has_every_record_and_every_step(tmp_path: Path) -> None:
    log = Log(tmp_path / "logs", RUN, "stage", pytest.fail)
    tape = rolled_back()
    tape.write(
        "outcome",
        **outcome(
            "web1", PHASES[0], id="late.step", ok=False, error="no", differences=["x is 1, should be 2"], seconds=1.5
        ),
    )
    for record in tape.records:
        log(record)
    text = log.path.read_text()
    assert log.path.name == "cutover_20260102T030405Z.log"
    assert all(f"{record.at} {record.seq:>5}" in text for record in tape.records if record.kind != "checks")
    assert "late.step: do it (1.500 s): no; x is 1, should be 2" in text
    assert "preflight.check: it is so" in text
    same_as_golden("log_rolled_back", text)


def test_one_line_a_rollback(tmp_path: Path) -> None:
    for tape in (rolled_back(), mixed()):
        log = Log(tmp_path, RUN, "stage", pytest.fail)
        for record in tape.records:
            log(record)
    first, second = (tmp_path / ROLLBACKS).read_text().splitlines()
    assert first.endswith(
        f'Z run={RUN} environment=stage back=web1 failed=- took=1.0s cause="it never said that it is ready"'
    )
    assert "back=- failed=web1" in second


def test_a_log_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    said: list[str] = []
    log = Log(tmp_path / "logs", RUN, "stage", said.append)
    for record in success().records:
        log(record)
    assert len(said) == 1
    assert "the journal has everything" in said[0]


def test_a_kind_that_nobody_knows_is_in_the_log_as_it_is() -> None:
    record = Tape().write("never.seen", host="web1", what="news").records[0]
    assert list(log_lines(record)) == [
        '2026-01-02T03:04:05.000Z     1                web1          never.seen    {"host": "web1", "what": "news"}'
    ]


def test_no_secret_and_no_path_of_this_machine_is_in_the_golden_files() -> None:
    texts = [path.read_text() for path in (ROOT / "tests" / "golden" / "tell").glob("*.txt")]
    assert len(texts) > 10
    assert not [text for text in texts if "/work/" in text or "/root" in text]


STATUS: dict[str, Any] = {
    "lease": {
        "held": True,
        "run": RUN,
        "holder": "ann@desk (process 7)",
        "taken_at": "2026-01-02T03:04:05Z",
        "seconds_left": 41.0,
        "nonce": "5ca1ab1e",
        "released": False,
    },
    "revert": {"armed": True, "run": RUN, "armed_at": "2026-01-02T03:04:05Z", "confirm_s": 60.0},
    "runs": [
        {
            "run": RUN,
            "state": {"status": "rollback", "at": "2026-01-02T03:04:05Z"},
            "reverted": {"ok": False, "at": "2026-01-02T03:04:05Z"},
        }
    ],
    "facts": {
        "v1": {"unit": "v1.service", "active": "active", "enabled": "enabled"},
        "v2": {"unit": "v2.service", "active": "inactive", "enabled": "enabled"},
        "current": {"type": "link", "target": "/opt/svc/releases/1.0"},
    },
}
IDLE: dict[str, Any] = {
    "lease": {"held": False, "run": None, "released": True},
    "revert": {"armed": False},
    "runs": [],
    "facts": {"v1": {"unit": "v1.service", "active": "failed", "enabled": "enabled"}},
}


def test_the_status() -> None:
    same_as_golden("status", printed(status_view({"web1": STATUS, "web2": IDLE}, ["web3"], at(90)), 130))
    assert in_service(STATUS["facts"]) == ["V1"]
    assert in_service(IDLE["facts"]) == []


def test_the_status_fits_80_columns() -> None:
    assert max(len(line) for line in printed(status_view({"web1": STATUS}, ["web2"], at(90)), 80).splitlines()) <= 80


def test_a_finding_of_a_refused_run_is_told_without_an_end_record() -> None:
    tape = Tape().begin(["web1"]).phase(PHASES[0], ["web1"], finding("web1", "preflight.disk", "FAIL", "1 GB free"))
    text = printed(summary(tape.records, SHOWN, {}))
    assert "OUR OWN ERROR" in text  # the journal does not say how it ended
    assert "web1: preflight.disk\n    1 GB free\n    next: look after preflight.disk" in text
