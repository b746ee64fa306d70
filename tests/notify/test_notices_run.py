"""A run notifies people by itself: once a phase, at its end, and never at the cost of the run."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover.core.errors import RolledBack
from cutover.core.secret import Secret
from cutover.journal.journal import Journal, read
from cutover.notify.channels import Message, Sender
from cutover.notify.escalation import NoticeFacts, People
from cutover.notify.listener import NOBODY, Announcer, Notices, addresses_of, measured
from cutover.notify.texts import Texts
from cutover.plan.phases import PHASES
from cutover.run.session import recorded_end
from tests.checkout import ROOT
from tests.notify.peopling import defaults, known
from tests.run.fakehosts import World, session_of
from tests.run.fakehosts import run as engine
from tests.timeline.runs import START, Tape, failing, mixed, problem, rolled_back, success

ADDRESSES: dict[str, Secret | str] = {"chat": Secret("json://chat"), "mail": Secret("json://mail")}
EARLIER = [run for run in (measured(success().records),) if run]


class Post:
    """Takes messages instead of Apprise."""

    def __init__(self) -> None:
        self.taken: list[Message] = []

    def __call__(self, _address: Secret, message: Message) -> str:
        self.taken.append(message)
        return ""


class Run:
    """A journal with Notices listening, into which tapes are played."""

    def __init__(self, path: Path, post: Post, people: People | None = None, deadline_s: float = 30) -> None:
        self.post, self.said = post, list[str]()
        self.now = START.isoformat()
        self.journal = Journal(path, lambda: self.now)
        people = people or known()
        self.announcer = Announcer(people, ADDRESSES, Texts(ROOT, "abaco"), Sender(deadline_s, post), self.said.append)

    def play(self, tape: Tape, purpose: str = "cutover") -> list[dict[str, Any]]:
        """Write a tape to the journal; gives the notices that it brought."""
        before = len(self.journal.of("notice"))
        self.journal.listen(Notices(self.announcer, self.journal, "stage", EARLIER))
        for record in tape.records:
            self.now = record.at
            if record.kind == "run.started" and purpose:
                self.journal.write("approved", by="ann", fingerprint="f" * 64, purpose=purpose)
            self.journal.write(record.kind, **record.data)
        return [record.data for record in self.journal.of("notice")[before:]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path / "journal.jsonl", Post())
    yield run
    run.journal.close()


def events(notices: list[dict[str, Any]]) -> list[str]:
    return [notice["event"] for notice in notices]


def test_a_cutover_tells_each_phase_once_and_its_success(run: Run) -> None:
    notices = run.play(success())
    assert sorted(events(notices)) == ["in_progress"] * 6 + ["success"]
    reported = {notice["phase"]: notice for notice in notices if notice["event"] == "in_progress"}
    assert set(reported) == {phase.title for phase in PHASES}
    assert len(run.post.taken) == sum(len(notice["channels"]) for notice in notices)
    assert all(set(notice["sent"]) == set(notice["channels"]) == {"chat", "mail"} for notice in notices)
    assert all(notice["failed"] == {} for notice in notices)
    assert "about 15 s, measured on one earlier run" in reported[PHASES[0].title]["body"]
    assert "the run took: 15 s" in notices[-1]["body"]
    assert "longest time without service: 1.5 s, on web2" in notices[-1]["body"]
    read(run.journal.path)  # the chain is whole
    assert [record.kind for record in run.journal.records if record.kind != "notice"][-1] == "run.finished"


def test_a_rollback_is_told_when_it_begins_and_when_it_has_ended(run: Run) -> None:
    notices = [notice for notice in run.play(rolled_back()) if notice["event"] != "in_progress"]
    assert events(notices) == ["rollback", "rollback"]
    assert [notice["subject"].split(":")[0] for notice in notices] == ["Rolling back", "Rolled back"]
    assert "ready: found false, expected true" in notices[1]["body"]
    assert "rolled back in: 1 s" in notices[1]["body"]
    assert notices[0]["severity"] == "critical"


def test_a_fleet_that_is_mixed_is_an_incident(run: Run) -> None:
    notices = run.play(mixed())
    assert events(notices)[-1] == "incident"
    assert "web1: " in notices[-1]["body"]


def test_a_run_that_is_refused_before_phase_3_is_told_as_stopped(run: Run) -> None:
    tape = Tape().begin(["web1"]).phase(PHASES[0], ["web1"]).finish(3, "Refused", problem("web1", "x", "no room"))
    notices = run.play(tape)
    assert events(notices) == ["in_progress", "stopped"]
    assert "- web1: no room" in notices[-1]["body"]


@pytest.mark.parametrize(
    ("tape", "purpose"),
    [
        (Tape().begin(["web1"]).phase(PHASES[0], ["web1"]).finish(0, "prepared"), "prepare"),
        (Tape().begin(["web1"]).finish(0, "given up"), "cutover"),
        (Tape().write("run.created", service="abaco", run="r", environment="stage", pattern="x").finish(2, "UsageError"), ""),
    ],
)  # fmt: skip
def test_what_touches_nothing_tells_nobody(run: Run, tape: Tape, purpose: str) -> None:
    assert run.play(tape, purpose) == []


def test_a_rollback_on_another_day_is_told_too(run: Run) -> None:
    run.play(success())
    back = Tape().write("run.started", hosts=["web1"], purpose="rollback")
    back.write("rollback.started", hosts=["web1"], cause="errors").write("rollback.finished", hosts=["web1"], failed=[])
    notices = run.play(back.finish(0, "on V1"), purpose="")
    subjects = {notice["subject"].split(":")[0] for notice in notices if notice["event"] == "rollback"}
    assert subjects == {"Rolling back", "Rolled back"}


def test_phases_that_were_told_are_not_told_again_when_a_run_is_taken_up(tmp_path: Path) -> None:
    first = Run(tmp_path / "journal.jsonl", Post())
    tape = failing()
    tape.records.pop()  # the controller died before it rolled back
    first.play(tape)
    for record in first.announcer.drain():
        first.journal.write("notice", **record)
    first.journal.close()
    again = Run(tmp_path / "journal.jsonl", Post())
    rest = Tape().phase(PHASES[4], ["web1"]).phase(PHASES[5], ["web1"]).write("confirmed", hosts=["web1"])
    notices = again.play(rest.finish(0, "on V2"), purpose="")
    again.journal.close()
    assert sorted(events(notices)) == ["in_progress", "success"]


def test_a_notifier_that_hangs_keeps_no_run_from_ending(tmp_path: Path) -> None:
    stuck = threading.Event()

    class Hanging(Post):
        def __call__(self, _address: Secret, message: Message) -> str:
            stuck.wait(60)
            return super().__call__(_address, message)

    run = Run(tmp_path / "journal.jsonl", Hanging(), deadline_s=0.3)
    notices = run.play(success())
    stuck.set()
    run.journal.close()
    assert events(notices).count("success") == 1
    assert all("within 0.3 s" in why for notice in notices for why in notice["failed"].values())
    assert all(set(notice["failed"]) == {"chat", "mail"} for notice in notices)


def test_without_channels_notices_are_only_recorded_and_that_is_said_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "journal.jsonl", Post(), known(defaults()))
    notices = run.play(success())
    run.journal.close()
    assert run.said == [NOBODY]
    assert len(notices) == 7
    assert all(notice["why"] == NOBODY and notice["sent"] == {} for notice in notices)
    assert run.post.taken == []


def test_when_nobody_reacts_the_next_level_is_told(run: Run) -> None:
    facts = NoticeFacts("stage", "2026-01-02T03:04:05Z", verdict="FAIL", point="hour 1")
    first = run.announcer.notify("hold", facts)
    assert first.roles == ("on_call", "operations_lead")
    assert run.announcer.escalate(first, facts, 899) is None
    second = run.announcer.escalate(first, facts, 900)
    assert second is not None
    assert second.roles == ("engineering_lead", "data_owner")
    assert run.announcer.escalate(second, facts, 900) is None
    third = run.announcer.escalate(second, facts, 2700)
    assert third is not None
    assert run.announcer.escalate(third, facts, 1e9) is None
    assert [(record["level"], record["point"]) for record in run.announcer.drain()] == [(n, "hour 1") for n in range(3)]


def test_a_channel_whose_address_is_missing_fails_and_the_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_URL", raising=False)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mail").write_text("json://mail\n")
    people, post, said = known(), Post(), list[str]()
    found = addresses_of(people, tmp_path)
    announcer = Announcer(people, found, Texts(ROOT, "abaco"), Sender(30, post), said.append)
    announcer.notify("hold", NoticeFacts("stage", "2026-01-02T03:04:05Z"))
    (record,) = announcer.drain()
    assert list(record["sent"]) == ["mail"]
    assert "CHAT_URL is unset" in record["failed"]["chat"]
    assert isinstance(found["mail"], Secret)


def test_a_run_of_the_engine_that_goes_back_is_told_as_it_is(world: World) -> None:
    world.host("b").broken = {"activation"}
    session = session_of(world, "a", "b")
    people, said = known(), list[str]()
    announcer = Announcer(people, ADDRESSES, Texts(ROOT, "abaco"), Sender(30, Post()), said.append)
    journal = session.journal
    journal.listen(Notices(announcer, journal, "lab", []))
    journal.write("approved", by="ann", fingerprint="f" * 64, purpose="cutover")
    journal.write("run.started", fingerprint="f" * 64, hosts=["a", "b"])
    ended = engine(session, ("a",), ("b",))
    assert ended is not None
    with pytest.raises(RolledBack), recorded_end(session):
        raise ended
    reported = [(record.data["event"], record.data.get("phase", "")) for record in journal.of("notice")]
    assert sorted(reported) == sorted([*(("in_progress", phase.title) for phase in PHASES), *[("rollback", "")] * 2])
    without_earlier_runs = [one.data["body"] for one in journal.of("notice") if one.data["event"] == "in_progress"]
    assert all("no earlier run of as many batches" in body for body in without_earlier_runs)
    assert "b: do activation: activation is broken" in journal.of("notice")[-1].data["body"]
    assert said == []
