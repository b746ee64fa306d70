"""What people see before and after a run: plan, summary, errors, the JSON document, status."""

import io
import json
import re
from typing import Any

import pytest

from cutover.cli.app import answer
from cutover.console.ask import Ask
from cutover.console.plan import plan_view
from cutover.console.problems import show_error
from cutover.console.status import status_view
from cutover.console.summary import hosts_as_json, summary
from cutover.core.errors import MixedFleet, Problem, Refused
from cutover.core.verdict import Verdict
from cutover.plan.phases import COMMITTING, PHASES
from cutover.timeline.outages import Interval, Outage
from cutover.timeline.problems import grouped
from tests.checkout import ROOT
from tests.console.drawing import printed
from tests.timeline.runs import RELEASE, RUN, Tape, at, failing, finding, mixed, plan, rolled_back, success


def ended(tape: Tape, width: int = 110) -> str:
    return printed(summary(tape.view(), {}), width)


@pytest.mark.parametrize("width", [30, 80])
def test_the_summary_fits_where_it_is_narrow(width: int) -> None:
    text = ended(mixed(), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "A PERSON IS NEEDED" in text.replace("\n", " ")


def test_the_summary_of_a_mixed_fleet_names_the_cause_and_counts_what_follows_from_it() -> None:
    text = ended(mixed())
    assert re.search(r"web1  unknown: see below\nweb2  V1\n", text)
    assert "web1: rollback.files\n" in text
    assert "OSError: the disk is gone\n    (1 step left out because of it)\n    next: look after rollback.files" in text
    assert "exit code 5" in text.replace("\n", " ")


def test_the_summary_of_a_success_names_release_outages_and_warnings() -> None:
    text = ended(success())
    assert f"✓ DONE: 3 hosts (web1, web2, web3) went from V1 to V2 (release {RELEASE}), confirmed at" in text
    assert "The outage was 1.50 s on web2" in text.replace("\n", " ")
    assert re.search(r"web1  2.0.0-cafe \(V2\)  from V1 to V2  1.25 s  0.10 s +0.90 s  0.25 s", text)
    assert "! WARN  web1, web2, web3: the clock is kept: found false, expected true\n        next: look after" in text


def test_a_run_whose_journal_does_not_end_is_our_own_error_and_shows_what_the_gates_found() -> None:
    tape = Tape().begin(["web1"]).phase(PHASES[0], ["web1"], finding("web1", "preflight.disk", "FAIL", "1 GB free"))
    assert "OUR OWN ERROR" in ended(tape)
    assert "web1: preflight.disk\n    1 GB free\n    next: look after preflight.disk" in ended(tape)
    assert "web1  unknown: see below" in ended(failing())


def test_the_summary_of_nothing_to_do_and_of_a_preparation() -> None:
    tape = Tape().write("run.created", service="abaco", run=RUN, environment="stage", pattern="web*")
    tape.write("plan.made", fingerprint="f", release=RELEASE, hosts=[], batches=[], already=["web1"])
    text = ended(tape.finish(0, "nothing to do"))
    assert "✓ DONE: Every host runs this release already, healthy. Nothing was changed." in text
    assert f"web1  {RELEASE}" in text
    text = ended(Tape().begin(["web1"]).write("prepared", hosts=["web1"]).finish(0, "prepared"))
    assert "web1 is prepared for V2" in text.replace("\n", " ")
    assert f"./invokew cutover --run {RUN}" in text


def test_a_sum_of_outages_is_called_one_and_what_nobody_measured_says_why() -> None:
    once = Interval("there", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", 1.0, {})
    assert [Outage("web1", times).words for times in ((once,), (once, once))] == ["1.00 s", "2.00 s in all"]
    unmeasured = {"id": "activation.outage", "after": {"gap_s": None, "why": "no journal"}}
    tape = Tape().begin(["web1"]).phase(COMMITTING[0], ["web1"], outcomes=(unmeasured,)).finish(1, "bug")
    outage = {"what": "not measured", "seconds": None, "why": "no journal"}
    assert hosts_as_json(tape.view())["web1"]["outages"] == [outage]


def test_hosts_as_json() -> None:
    hosts = hosts_as_json(rolled_back().view())
    assert list(hosts) == ["web1", "web2"]
    assert hosts["web1"]["version"] == "V1"
    assert hosts["web1"]["phases"]["activation"] == {"verdict": "FAIL", "seconds": 0.6}
    assert hosts["web1"]["outages"][0]["seconds"] == 4.5
    assert hosts["web2"]["outages"] == []
    json.dumps(hosts, allow_nan=False)


def test_equal_hosts_are_shown_once_in_a_plan_and_others_apart() -> None:
    one = plan([f"web{number}" for number in range(1, 11)])
    assert printed(plan_view(one, diff=True)).count("+port: 2") == 1
    assert printed(plan_view(one, diff=False)).count("+port: 2") == 0
    host = one.hosts["web3"]
    nothing = tuple(change.model_copy(update={"differences": ()}) for change in host.changes)
    other = one.model_copy(update={"hosts": {**one.hosts, "web3": host.model_copy(update={"changes": nothing})}})
    text = printed(plan_view(other, diff=True))
    assert text.count("+port: 2") == 2
    assert "web3\n" in text


def test_errors_are_shown_all_at_once_and_once_for_many_hosts() -> None:
    stream = io.StringIO()
    names = ("web1", "web2", "web3")
    problems = [Problem(host=name, path="disk", found=f"{name}: 1 GB free", next="make room") for name in names]
    show_error(Refused([*problems, Problem(path="hosts.yml:3", found="no host", next="name one")]), stream)
    assert stream.getvalue() == (
        "✗ ERROR  2 problems on 3 hosts; exit 3, refused\n"
        "web1, web2, web3: disk\n    <host>: 1 GB free\n    next: make room\n"
        "hosts.yml:3\n    no host\n    next: name one\n"
    )


def test_what_only_follows_from_a_problem_is_counted_there() -> None:
    problems = [
        Problem("the disk is gone", "see it", "web1", "a"),
        Problem("b: left out: it needs a", "x", "web1", "b"),
        Problem("left out: it needs a", "x", "web2", "b"),
    ]
    found = grouped((Verdict.FAIL, problem) for problem in problems)
    assert [(one.hosts, one.problem.path, one.left_out) for one in found] == [(("web1",), "a", 1), (("web2",), "b", 0)]


def test_the_json_document() -> None:
    error = MixedFleet(Problem(host="web1", path="p", found="f", next="n"))
    at = "2026-01-02T03:04:05.000Z"
    ask = Ask(ROOT, "cutover", started_at=at, run_id=RUN, hosts={"web1": {"version": "V1"}}, fingerprint="f1")
    ask.files, ask.more, ask.code = {"report": "/r.html"}, {"away": 1}, error.exit_code
    document = json.loads(answer(ask, error.problems))
    assert re.fullmatch(r"2[-0-9]+T[0-9:.]+Z", document.pop("finished_at"))
    assert document == {
        "schema": 1, "command": "cutover", "run_id": RUN, "fingerprint": "f1", "status": "a person is needed", "exit_code": 5,
        "started_at": at, "hosts": {"web1": {"version": "V1"}}, "files": {"report": "/r.html"},
        "errors": [{"host": "web1", "path": "p", "found": "f", "next": "n"}], "away": 1,
    }  # fmt: skip
    assert json.loads(answer(Ask(ROOT, "status"))).keys() == {*document, "finished_at"} - {"away"}


THEN = "2026-01-02T03:04:05Z"
BUSY: dict[str, Any] = {
    "lease": {"held": True, "run": RUN, "holder": "ann", "taken_at": THEN, "seconds_left": 41.0, "nonce": "5ca1ab1e", "released": False},
    "revert": {"armed": True, "run": RUN, "armed_at": THEN, "confirm_s": 60.0},
    "runs": [{"run": RUN, "state": {"status": "rollback", "at": THEN}, "reverted": {"ok": False, "at": THEN}}],
    "owed": "a rollback is owed", "labels": {"old": "V1", "new": "V2"},
    "facts": {
        "old": {"unit": "v1.service", "active": "active", "enabled": "enabled"},
        "new": {"unit": "v2.service", "active": "inactive", "enabled": "enabled"},
        "current": {"type": "link", "target": "/opt/svc/releases/1.0"},
    },
}  # fmt: skip
IDLE: dict[str, Any] = {
    "lease": {"held": False, "run": RUN, "released": False}, "revert": {"armed": False}, "runs": [],
    "labels": {"old": "V1", "new": "V2"}, "facts": {"old": {"unit": "v1.service", "active": "failed", "enabled": "enabled"}},
}  # fmt: skip


@pytest.mark.parametrize("width", [80, 300])
def test_the_status_has_release_lease_revert_and_last_run_of_each_host(width: int) -> None:
    text = printed(status_view({"web1": BUSY, "web2": IDLE}, ["web3"], at(90)), width)
    assert max(len(line) for line in text.splitlines()) <= width
    if width == 80:  # everything is there, folded
        return
    rows = {
        "web1": r"V1 +ann +ARMED by run .* 90s ago: .* 60 s",
        "web2": rf"none +nobody: the lease of run {RUN} expired",
        "web3": "unknown",
    }
    assert [host for host, row in rows.items() if not re.search(rf"^{host} +{row}", text, re.MULTILINE)] == []
    words = (
        "V2 inactive, enabled", "current: 1.0", "nonce 5ca1ab1e", "ends in 41s", "NOT completely", "a rollback is owed",
        "V1 failed, enabled",
    )  # fmt: skip
    assert [word for word in words if word not in text] == []
